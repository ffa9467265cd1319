/**
 * Connect, sign in and join for many clients; they stay, idle, until this process ends. The result's
 * `done` is the number of connections, its latency the time of one from SYN until it can send and hear.
 */
import { createLatency } from './latency.ts';
import { startMeter } from './meter.ts';
import type { Connections, Faults, LoadResult } from './plan.ts';
import { joinWire } from './wires.ts';

export async function runConnections(plan: Connections): Promise<LoadResult> {
  const faults: Faults = { lost: 0, doubled: 0, reordered: 0, refused: 0, notes: [] };
  const latency = createLatency();
  const begun: number[] = [];
  const stopMeter = startMeter(plan.serverPids);
  const { talkers } = await joinWire(
    plan,
    {
      onMessage: () => undefined,
      onAck: () => undefined,
      onError(_talker, text) {
        faults.refused += 1;
        if (faults.notes.length < 10) faults.notes.push(text);
      },
    },
    {
      onBegun(index) {
        begun[index] = performance.now();
      },
      onJoined: (index) => latency.record(performance.now() - (begun[index] ?? 0)),
    },
  );
  return {
    used: stopMeter(),
    done: talkers.length,
    delivered: 0,
    totalDone: talkers.length,
    ackLatency: latency.read(),
    deliveryLatency: createLatency().read(),
    faults,
  };
}
