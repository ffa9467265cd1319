/** What a fault is: something that goes wrong during a run, and how that is known to have landed. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { TcpProxy } from '../support/tcp-proxy.ts';
import type { Cluster } from './cluster.ts';
import type { MessageRow } from './history.ts';
import type { Random } from './random.ts';
import type { Workload } from './workload.ts';

export interface FaultContext {
  cluster: Cluster;
  workload: Workload;
  random: Random;
  /** How long the fault lasts, where that can be chosen. */
  holdMs: number;
}

export interface Landed {
  /** The clock of the history. */
  startedAt: number;
  endedAt: number;
  /** What shows that it happened; null: nothing does. */
  evidence: string | null;
  /** When a database was replaced by another one, and all that the first one held. */
  replaced?: { at: number; rows(): Promise<MessageRow[]> };
}

export interface Fault {
  name: string;
  /** Default of `holdMs`. */
  holdMs: number;
  /** Needs a database with a standby. */
  standby?: true;
  /** Whose absence it is, for the bounds that hold meanwhile. */
  away: 'redis' | 'postgres' | null;
  run(context: FaultContext): Promise<Landed>;
}

/** Begins, lasts as long as the context says, and ends. */
export async function during(
  { holdMs }: FaultContext,
  begin: () => Promise<string | null>,
  end: () => Promise<unknown>,
): Promise<Landed> {
  const startedAt = performance.now();
  const evidence = await begin();
  await sleep(holdMs);
  await end();
  return { startedAt, endedAt: performance.now(), evidence };
}

/** Nothing passes the link in either direction, and nothing closes. */
export function silence(context: FaultContext, link: TcpProxy): Promise<Landed> {
  return during(
    context,
    async () => {
      link.pause();
      return link.connections() > 0 ? 'one link is silent' : null;
    },
    async () => link.resume(),
  );
}
