/** In which order a node's parts are drained, and how long each may take. */
import { expect, it } from 'vitest';
import { SENDS_FINISH_MS } from '../src/bounds/process.ts';
import { createDraining, type NodeParts } from '../src/draining.ts';

it('what commands on sockets have used of the time to finish, the writer does not get again', async () => {
  const calls: unknown[] = [];
  const leftMs = 1_200;
  const nothing = () => undefined;
  const parts: NodeParts = {
    server: {
      drain: async (how) => {
        calls.push(how);
        return leftMs;
      },
      close: async () => undefined,
    },
    peerNode: null,
    delivery: { close: nothing },
    chat: { typing: { close: nothing } as unknown as NodeParts['chat']['typing'] },
    audience: { close: nothing },
    http: { idle: async () => undefined, close: async () => undefined },
    work: { close: nothing },
    bus: { close: async () => undefined },
    redis: null,
    writer: {
      drain: async (timeoutMs) => {
        calls.push(timeoutMs);
      },
    },
    database: { close: async () => undefined },
  };
  await createDraining().run({ stop: nothing, close: nothing }, parts, 700);
  expect(calls).toEqual([{ overMs: 700, finishMs: SENDS_FINISH_MS }, leftMs]);
});
