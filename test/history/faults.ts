/** All faults, by name. */
import { waitFor } from '../support/wait.ts';
import type { Cluster } from './cluster.ts';
import { during, type Fault } from './fault.ts';
import { killNode, removeMembers, restartNodes } from './node-faults.ts';
import {
  crashPostgres,
  deleteRows,
  failOver,
  freezePostgres,
  lockRows,
  restoreBackup,
  silentPostgresLink,
  swallowCommits,
  terminateBackends,
} from './postgres-faults.ts';
import {
  demoteRedis,
  killPubsub,
  killRedis,
  lateRedis,
  ordersWithoutRedis,
  silentRedisLink,
  stopRedis,
} from './redis-faults.ts';

/** Nothing goes wrong: the measure for the rest. */
const calm: Fault = {
  name: 'none',
  holdMs: 3_000,
  away: null,
  run: (context) =>
    during(
      context,
      async () => 'nothing was done',
      async () => undefined,
    ),
};

export const faults: readonly Fault[] = [
  calm,
  killNode,
  restartNodes,
  killRedis,
  stopRedis,
  killPubsub,
  lateRedis,
  terminateBackends,
  crashPostgres,
  freezePostgres,
  swallowCommits,
  lockRows,
  silentPostgresLink,
  silentRedisLink,
  removeMembers,
  failOver,
  restoreBackup,
  deleteRows,
  demoteRedis,
  ordersWithoutRedis,
];

/** @throws Error naming all there are */
export function faultNamed(name: string): Fault {
  const found = faults.find((fault) => fault.name === name);
  if (found !== undefined) return found;
  throw new Error(`There is no fault ${name}: ${faults.map((fault) => fault.name).join(', ')}.`);
}

/** Resolves when the servers of the cluster answer again. */
export async function restored(cluster: Cluster): Promise<void> {
  await waitFor(async () => (await cluster.sql`SELECT 1`).length === 1, {
    timeoutMs: 30_000,
    what: 'PostgreSQL to answer again',
  });
}
