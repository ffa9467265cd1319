/**
 * The promise under real faults, in short: a few faults and two faulty builds, each with one seed.
 * All faults, with as many seeds as one likes: `npm run test:history`.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeBuild } from './build.ts';
import { type Cluster, type Servers, startCluster, startServers } from './cluster.ts';
import { type EpisodeResult, runEpisode } from './episode.ts';
import { faultNamed } from './faults.ts';
import { mutantNamed, mutants } from './mutants.ts';
import { findings } from './report.ts';

const TEST_TIMEOUT_MS = 90_000;
const SEND_DEADLINE_MS = 5_000;
const SIZE = { people: 5, conversations: 3 };

let servers: Servers;

beforeAll(async () => {
  servers = await startServers();
});
afterAll(() => servers.stop());

function run(
  cluster: Cluster,
  fault: string,
  holdMs: number,
  settleMs = 15_000,
): Promise<EpisodeResult> {
  return runEpisode({
    cluster,
    fault: faultNamed(fault),
    seed: 1,
    holdMs,
    tailMs: 500,
    size: SIZE,
    settleMs,
    sendDeadlineMs: SEND_DEADLINE_MS,
    say: () => undefined,
  });
}

describe('two nodes keep the promise', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster({ servers, size: 2 });
  });
  afterAll(() => cluster.stop());

  test.each([
    ['redis-kill', 1_500],
    ['member-removed', 1_500],
    ['pg-terminate', 1_500],
    ['kill-node', 0],
  ])(
    'under %s',
    async (fault, holdMs) => {
      const result = await run(cluster, fault, holdMs);
      // What takes how long depends on the machine: `test:history` holds the bounds.
      expect({ broken: result.violations, findings: findings(result) }).toMatchObject({
        broken: [],
      });
      expect(result.verdict).not.toBe('unknown');
    },
    TEST_TIMEOUT_MS,
  );
});

test.each(mutants.map((mutant) => [mutant.name, mutant] as const))(
  'the faulty build "%s" still fits the sources',
  async (_name, { patches }) => {
    const build = await makeBuild(patches);
    await build.remove();
  },
);

describe('the checker catches a build', () => {
  test.each([['drop a publish and repair nothing'], ['skip the eviction']])(
    'that does: %s',
    async (name) => {
      const { fault, patches } = mutantNamed(name);
      const cluster = await startCluster({ servers, size: 2, patches });
      try {
        expect((await run(cluster, fault, 1_000, 3_000)).verdict).toBe('FAIL');
      } finally {
        await cluster.stop();
      }
    },
    TEST_TIMEOUT_MS,
  );
});
