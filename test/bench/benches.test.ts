/**
 * Every bench at tiny size: that it runs, that its checks of order and completeness pass, that its
 * figures are there. No timing is asserted.
 */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { BENCHES, type BenchName } from '../../bench/benches/all.ts';
import type { BenchContext } from '../../bench/harness/context.ts';
import { dropTemplates } from '../../bench/harness/database.ts';
import { EJABBERD, findEjabberd } from '../../bench/harness/ejabberd.ts';
import { prepareTree, type Tree } from '../../bench/harness/tree.ts';

const BUILD_MS = 120_000;
const BENCH_MS = 240_000;

const ejabberd = findEjabberd();
/** Compared with where it is installed. */
const others = ejabberd === null ? [] : [EJABBERD];

/** What a bench compares; each must have given figures. */
const SUBJECTS: Record<BenchName, string[]> = {
  durable: ['product', 'obvious', 'batched-inserts', ...others],
  fanout: ['realtime-layer', 'socketio-ws', 'socketio-uws', 'uws-publish', 'product', 'obvious'],
  latency: ['product', 'product ×2 over Redis', 'obvious', ...others],
  connections: ['product', 'realtime-layer', 'socketio-ws', 'socketio-uws', 'obvious', ...others],
  rest: ['product', 'fastify-node-http', 'obvious'],
  'history-depth': ['product', 'obvious'],
  codec: ['product'],
  storm: ['product', 'obvious'],
  abuse: ['product'],
  nodes: ['product'],
  scale: ['product'],
};

let tree: Tree;

beforeAll(() => {
  tree = prepareTree();
}, BUILD_MS);

afterAll(async () => {
  await dropTemplates(inject('postgresUrl'));
  tree?.remove();
});

function tiny(): BenchContext {
  return {
    tree,
    serverUrl: inject('postgresUrl'),
    redisUrl: inject('redisUrl'),
    ejabberd,
    size: 'tiny',
    rounds: 1,
    pick: (choices) => choices.tiny,
    wants: () => true,
    wantsRun: () => true,
    profileDir: null,
    step: () => undefined,
    expect: () => undefined,
  };
}

describe('a bench at tiny size', () => {
  for (const [name, subjects] of Object.entries(SUBJECTS)) {
    it(
      `${name} measures all it compares, and nothing is lost, doubled or reordered`,
      async () => {
        const result = await BENCHES[name as BenchName](tiny());
        expect(result.failures).toEqual([]);
        expect([...new Set(result.samples.map(({ subject }) => subject))].sort()).toEqual(
          subjects.sort(),
        );
        for (const { subject, case: of, metrics, faults } of result.samples) {
          if (others.includes(subject)) expect(faults, of).toEqual([]);
          expect(Object.keys(metrics), `${subject}, ${of}`).not.toEqual([]);
          const wrong = Object.entries(metrics).filter(([, value]) => !Number.isFinite(value));
          expect(wrong, `${subject}, ${of}`).toEqual([]);
          if (metrics.done_per_s !== undefined)
            expect([subject, of, metrics.done_per_s > 0]).toEqual([subject, of, true]);
        }
        expect(result.findings.length).toBeGreaterThan(0);
      },
      BENCH_MS,
    );
  }
});
