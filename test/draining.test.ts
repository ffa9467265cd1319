/** In which order a node's parts are drained and ended, and how long each may take. */
import { describe, expect, it } from 'vitest';
import { POOL_CLOSE_MS, SENDS_FINISH_MS } from '../src/bounds/process.ts';
import { closeParts, createDraining, type NodeParts } from '../src/draining.ts';

/** Parts of which nothing is to be ended; `over` takes the places of some. */
function partsWith(over: Partial<NodeParts> = {}): NodeParts {
  const nothing = () => undefined;
  const atOnce = async () => undefined;
  return {
    server: { drain: async () => 0, close: atOnce },
    peerNode: null,
    delivery: { close: nothing },
    chat: { typing: { close: nothing } as unknown as NodeParts['chat']['typing'] },
    audience: { close: nothing, isUnsure: () => false, lastWord: atOnce },
    http: { idle: atOnce, close: atOnce },
    work: { close: nothing },
    bus: { close: atOnce },
    redis: null,
    writer: { drain: atOnce },
    database: { close: atOnce },
    ...over,
  };
}

it('what commands on sockets have used of the time to finish, the writer does not get again', async () => {
  const calls: unknown[] = [];
  const leftMs = 1_200;
  const nothing = () => undefined;
  const parts = partsWith({
    server: {
      drain: async (how) => {
        calls.push(how);
        return leftMs;
      },
      close: async () => undefined,
    },
    writer: {
      drain: async (timeoutMs) => {
        calls.push(timeoutMs);
      },
    },
  });
  await createDraining().run({ stop: nothing, close: nothing }, parts, 700);
  expect(calls).toEqual([{ overMs: 700, finishMs: SENDS_FINISH_MS }, leftMs]);
});

describe('what others may not have heard', () => {
  function setUp(isUnsure: boolean) {
    const ended: unknown[] = [];
    const parts = partsWith({
      audience: {
        close: () => void ended.push('audience'),
        isUnsure: () => isUnsure,
        lastWord: async () => void ended.push('last word'),
      },
      bus: { close: async (how) => void ended.push({ bus: how }) },
      database: {
        close: async (timeoutMs) => {
          expect(timeoutMs).toBeLessThanOrEqual(POOL_CLOSE_MS);
          ended.push('database');
        },
      },
    });
    return { parts, ended };
  }

  it('is told when it is known what Redis has taken, and while PostgreSQL is there', async () => {
    const { parts, ended } = setUp(false);
    await closeParts(parts);
    expect(ended).toEqual(['audience', { bus: { silently: false } }, 'last word', 'database']);
  });

  it('may be stored only later: then the node is to be missed', async () => {
    const { parts, ended } = setUp(true);
    await closeParts(parts);
    expect(ended).toContainEqual({ bus: { silently: true } });
  });
});
