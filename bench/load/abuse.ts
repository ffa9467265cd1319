/**
 * Lets an abuser loose: attempts of each kind on a schedule, bounded in count and time besides, and
 * how they end. The result's `totalDone` is how many messages of its were stored.
 */

import type { Abuser } from './abusers/abuser.ts';
import { ABUSERS, isAbuserName } from './abusers/all.ts';
import { createLatency } from './latency.ts';
import { startMeter } from './meter.ts';
import type { Abuse, Faults, LoadResult } from './plan.ts';
import { after } from './traffic.ts';

const TICK_MS = 2;
/** Longer than the deadline of a send: one that is stuck has its answer then. */
const SETTLE_MS = 10_000;

export async function runAbuse(plan: Abuse, stop: AbortSignal): Promise<LoadResult> {
  if (!isAbuserName(plan.abuser)) throw new Error(`there is no abuser ${plan.abuser}`);
  const abuser: Abuser = ABUSERS[plan.abuser];
  const outcomes: Record<string, number> = {};
  const faults: Faults = { lost: 0, doubled: 0, reordered: 0, refused: 0, notes: [] };
  const ending = new AbortController();
  let attempts = 0;
  let underWay = 0;

  function tell(kind: string, outcome: string): void {
    underWay -= 1;
    const key = `${kind} ${outcome}`;
    outcomes[key] = (outcomes[key] ?? 0) + 1;
  }

  const abusing = await abuser.begin(plan, tell, ending.signal);
  const schedule = Object.entries(abuser.perSecond).map(([kind, perSecond]) => {
    const attempt = abusing.attempt[kind];
    if (attempt === undefined) throw new Error(`${plan.abuser} does not know how to ${kind}`);
    return { attempt, perMs: perSecond / 1000, due: 0 };
  });
  const stopMeter = startMeter([]);
  const startedAt = performance.now();
  let elapsedMs = 0;
  while (!stop.aborted && elapsedMs < plan.maxMs && attempts < plan.maxAttempts) {
    for (const kind of schedule) {
      for (; kind.due < elapsedMs * kind.perMs; kind.due += 1) {
        if (!kind.attempt(kind.due)) continue;
        attempts += 1;
        underWay += 1;
      }
    }
    await after(TICK_MS);
    elapsedMs = performance.now() - startedAt;
  }
  const used = stopMeter();
  ending.abort();
  const settled = performance.now() + SETTLE_MS;
  while (underWay > 0 && performance.now() < settled) await after(20);
  if (underWay > 0) faults.notes.push(`${underWay} attempts of the abuser were never answered`);
  await abusing.end();
  return {
    used,
    done: attempts,
    delivered: 0,
    totalDone: outcomes['send accepted'] ?? 0,
    ackLatency: createLatency().read(),
    deliveryLatency: createLatency().read(),
    faults,
    outcomes,
  };
}
