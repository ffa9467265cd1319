import { expect, it } from 'vitest';
import { CAME, createPresence, LEFT } from '../../src/bus/presence.ts';

function setUp(count: number) {
  let vanished = 0;
  const presence = createPresence(() => {
    vanished += 1;
  });
  for (let index = 0; index < 3; index += 1) presence.counted(count);
  return { ...presence, vanished: () => vanished };
}

it('a node that is gone without a word has vanished, once', () => {
  const nodes = setUp(3);
  nodes.counted(3);
  nodes.counted(2);
  expect(nodes.vanished()).toBe(0);
  for (let index = 0; index < 5; index += 1) nodes.counted(2);
  expect(nodes.vanished()).toBe(1);
});

it('also where another one has come meanwhile', () => {
  const nodes = setUp(3);
  nodes.said(CAME);
  nodes.counted(3);
  nodes.counted(3);
  expect(nodes.vanished()).toBe(1);
});

it('who comes and goes in order has not, whether it is counted or heard first', () => {
  const nodes = setUp(3);
  nodes.counted(4);
  nodes.said(CAME);
  nodes.counted(4);
  nodes.said(LEFT);
  nodes.counted(4);
  nodes.counted(3);
  nodes.counted(2);
  nodes.said(LEFT);
  nodes.counted(2);
  nodes.said('something of a later version');
  nodes.counted(2);
  nodes.counted(2);
  expect(nodes.vanished()).toBe(0);
});

it('one that is not heard coming is believed when it stays, and its end is a loss', () => {
  const nodes = setUp(3);
  nodes.counted(4);
  nodes.counted(4);
  expect(nodes.vanished()).toBe(0);
  nodes.counted(3);
  nodes.counted(3);
  expect(nodes.vanished()).toBe(1);
});

it('one that is killed while another comes has vanished, whatever was counted before', () => {
  const nodes = setUp(3);
  // Somebody listened for a while, or a node that had said that it goes took its time.
  nodes.counted(4);
  nodes.counted(4);
  nodes.counted(3);
  nodes.counted(3);
  const before = nodes.vanished();
  nodes.counted(4);
  nodes.counted(4);
  // One is killed, and its successor is there before the next count.
  nodes.said(CAME);
  nodes.counted(4);
  nodes.counted(4);
  expect(nodes.vanished()).toBe(before + 1);
});

it('a link that was lost begins anew', () => {
  const nodes = setUp(5);
  nodes.forget();
  nodes.counted(2);
  nodes.said(CAME);
  for (let index = 0; index < 5; index += 1) nodes.counted(2);
  expect(nodes.vanished()).toBe(0);
});
