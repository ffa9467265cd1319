/**
 * Connect, CONNECT and join for many clients; they stay, idle, until this process ends. The result's
 * `done` is the number of connections, its latency the time of one from SYN to the join's answer.
 */
import { joinAll, seatsOf } from './joining.ts';
import { createLatency } from './latency.ts';
import { startMeter } from './meter.ts';
import type { Connections, Faults, LoadResult } from './plan.ts';

export async function runConnections(plan: Connections): Promise<LoadResult> {
  const faults: Faults = { lost: 0, doubled: 0, reordered: 0, refused: 0, notes: [] };
  const seats = seatsOf(plan.rooms);
  const latency = createLatency();
  const begun = new Float64Array(seats.length);
  const stopMeter = startMeter(plan.serverPids);
  await joinAll({
    rooms: plan.rooms,
    seats,
    ports: plan.ports,
    concurrency: plan.connectConcurrency,
    timeoutMs: plan.connectTimeoutMs,
    afterSeq(index) {
      begun[index] ||= performance.now();
      return null;
    },
    onJoined: (client) => latency.record(performance.now() - (begun[client.index] ?? 0)),
    events: {
      onMessage: () => undefined,
      onAck: () => undefined,
      onError(_client, text) {
        faults.refused += 1;
        if (faults.notes.length < 10) faults.notes.push(text);
      },
    },
  });
  return {
    used: stopMeter(),
    done: seats.length,
    delivered: 0,
    totalDone: seats.length,
    ackLatency: latency.read(),
    deliveryLatency: createLatency().read(),
    faults,
  };
}
