/** The check of every bench run must notice what it is there for. */

import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../../bench/load/client.ts';
import { createLedger } from '../../bench/load/ledger.ts';

let server: Server;

beforeAll(
  () =>
    new Promise<void>((resolve) => {
      server = createServer().listen(0, '127.0.0.1', resolve);
    }),
);
afterAll(() => new Promise<void>((resolve) => void server.close(() => resolve())));

const silent = {
  onConnected: () => undefined,
  onMessage: () => undefined,
  onAck: () => undefined,
  onError: () => undefined,
  onClose: () => undefined,
};

/** What the ledger says when one client hears `seqs` of `acked` messages. */
function verdict(acked: number, seqs: readonly number[]) {
  const { port } = server.address() as AddressInfo;
  const client = new Client(0, port, 'u', silent);
  const ledger = createLedger([client], 1);
  for (let i = 0; i < acked; i += 1) ledger.acked(0);
  for (const seq of seqs) ledger.heard(client, seq);
  client.destroy();
  const outstanding = ledger.outstanding();
  const { lost, doubled, reordered } = ledger.close();
  return { lost, doubled, reordered, outstanding };
}

const right = { lost: 0, doubled: 0, reordered: 0, outstanding: 0 };

describe('the ledger', () => {
  it('accepts every message once and in order', () => {
    expect(verdict(3, [1, 2, 3])).toEqual(right);
  });
  it('notices a lost last message', () => {
    expect(verdict(3, [1, 2])).toEqual({ ...right, lost: 1, outstanding: 1 });
  });
  it('notices a hole', () => {
    expect(verdict(3, [1, 3])).toMatchObject({ lost: 1, reordered: 1, outstanding: 1 });
  });
  it('notices a double, now and later', () => {
    expect(verdict(2, [1, 1, 2])).toEqual({ ...right, doubled: 1 });
    expect(verdict(3, [1, 3, 3, 2])).toEqual({ ...right, doubled: 1, reordered: 2 });
  });
  it('notices two that changed places, and that nothing is lost', () => {
    expect(verdict(3, [1, 3, 2])).toEqual({ ...right, reordered: 1 });
  });
  it('notices a message that nobody was told of', () => {
    expect(verdict(1, [1, 2]).doubled).toBe(1);
  });
});
