/** Faults of the nodes and of who takes part. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from './fault.ts';

const NODE_AWAY_MS = 1_500;

/** One node dies at once. The end is the death itself: its clients have to be served elsewhere. */
export const killNode: Fault = {
  name: 'kill-node',
  holdMs: NODE_AWAY_MS,
  away: null,
  async run({ cluster, random, holdMs }) {
    const { process } = random.pick(cluster.nodes);
    const at = performance.now();
    process.signal('SIGKILL');
    await process.ended();
    await sleep(holdMs);
    await process.start();
    return { startedAt: at, endedAt: at, evidence: 'one node was killed and started again' };
  },
};

/** Every node in turn is asked to go and comes back, as in a deployment. */
export const restartNodes: Fault = {
  name: 'sigterm-each',
  holdMs: 500,
  away: null,
  async run({ cluster, holdMs }) {
    const startedAt = performance.now();
    const codes: (number | null)[] = [];
    for (const { process } of cluster.nodes) {
      process.signal('SIGTERM');
      codes.push(await process.ended());
      await process.start();
      await sleep(holdMs);
    }
    const endedAt = performance.now();
    const clean = codes.every((code) => code === 0);
    return { startedAt, endedAt, evidence: clean ? 'every node left with exit code 0' : null };
  },
};

/** Somebody is removed while everybody talks; some are added again. */
export const removeMembers: Fault = {
  name: 'member-removed',
  holdMs: 3_000,
  away: null,
  async run({ workload, holdMs, random }) {
    const startedAt = performance.now();
    const until = startedAt + holdMs;
    let removed = 0;
    const lively = workload.conversations.filter(({ people }) => people.length > 2);
    for (const { id, people } of random.shuffled(lively)) {
      const person = random.pick(people);
      await workload.changeMember('removed', id, person.id);
      removed += 1;
      await sleep(random.between(50, 400));
      if (random.chance(0.5)) await workload.changeMember('added', id, person.id);
    }
    await sleep(Math.max(0, until - performance.now()));
    const endedAt = performance.now();
    const saidAfter = workload.history.sends.some(({ attempts }) =>
      attempts.some(({ outcome, invokedAt }) => outcome === 'ok' && invokedAt > startedAt + 500),
    );
    const landed = removed > 0 && saidAfter;
    return { startedAt, endedAt, evidence: landed ? `${removed} people were removed` : null };
  },
};
