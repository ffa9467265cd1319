/**
 * A storm: all listeners are dropped at one moment while senders go on; after a moment all come back
 * at once and ask for what they missed. `ackLatency` is the time from each one's return to its join's
 * answer; `used.durationMs` the time from the first return until the last has heard everything.
 */
import type { Client } from './client.ts';
import { joinAll, seatsOf } from './joining.ts';
import { createLatency } from './latency.ts';
import { startMeter } from './meter.ts';
import type { Faults, LoadResult, Storm } from './plan.ts';
import { after } from './traffic.ts';

const CONTENT = 'The storm goes on and on and on.';

export async function runStorm(plan: Storm): Promise<LoadResult> {
  const { rooms, ports } = plan;
  const faults: Faults = { lost: 0, doubled: 0, reordered: 0, refused: 0, notes: [] };
  const acked = new Array<number>(rooms.length).fill(0);
  const begunAt = new Array<number>(rooms.length).fill(0);
  let acks = 0;
  let stored = 0;
  let sends = 0;
  let delivered = 0;
  let returned = false;
  let leaving = false;

  function heard(client: Client, seq: number): void {
    delivered += 1;
    // A join's answer comes first and tells a fresh client where it begins.
    if (seq === client.lastSeq + 1) client.lastSeq = seq;
    else if (seq <= client.lastSeq) faults.doubled += 1;
    else {
      faults.reordered += 1;
      client.lastSeq = seq;
    }
  }
  const refused = (text: string): void => {
    faults.refused += 1;
    if (faults.notes.length < 10) faults.notes.push(text);
  };
  const base = {
    rooms,
    ports,
    concurrency: plan.connectConcurrency,
    timeoutMs: plan.connectTimeoutMs,
  };
  const events = {
    onMessage: heard,
    onAck(client: Client, _id: number, ok: boolean, buffer: Buffer, from: number, to: number) {
      acks += 1;
      if (ok) stored += 1;
      if (ok) acked[client.room] = (acked[client.room] ?? 0) + 1;
      else refused(buffer.toString('utf8', from, to));
    },
    onError: (_client: Client, text: string) => {
      if (!leaving) refused(text);
    },
  };
  const none = () => null;
  const seats = seatsOf(rooms);
  const first = seats.filter((seat, i) => seat.room !== seats[i - 1]?.room);
  const senders = await joinAll({ ...base, seats: first, afterSeq: none, events });
  for (const sender of senders) begunAt[sender.room] = sender.lastSeq;
  const before = await joinAll({
    ...base,
    seats,
    afterSeq: none,
    events,
    onClose: () => undefined,
  });

  const startedAt = performance.now();
  const timer = setInterval(() => {
    while (startedAt + (sends * 1000) / plan.ratePerSecond <= performance.now()) {
      const sender = senders[sends % senders.length];
      const conversationId = rooms[sender?.room ?? 0]?.conversationId;
      sender?.send(
        `42${sends}["send_message",{"conversation_id":"${conversationId}","content":"${CONTENT}"}]`,
      );
      sends += 1;
    }
  }, 1);
  await after(Math.max(200, plan.awayMs));
  leaving = true;
  for (const client of before) client.destroy();
  await after(plan.awayMs);
  leaving = false;

  const latency = createLatency();
  const stopMeter = startMeter(plan.serverPids);
  const returnedAt = performance.now();
  const clients = await joinAll({
    ...base,
    // All at once: nobody waits for another's answer.
    concurrency: seats.length,
    seats,
    afterSeq: (index) => before[index]?.lastSeq ?? 0,
    events,
    onJoined: () => latency.record(performance.now() - returnedAt),
  });
  returned = true;
  clearInterval(timer);
  const head = (room: number): number => (begunAt[room] ?? 0) + (acked[room] ?? 0);
  const behind = (): number =>
    [...clients, ...senders].filter(({ room, lastSeq }) => lastSeq < head(room)).length;
  const settled = performance.now() + plan.settleMs;
  while ((acks < sends || behind() > 0) && performance.now() < settled) await after(5);
  const used = stopMeter();
  leaving = returned;
  // Whatever comes twice or too late would come now.
  await after(100);
  faults.lost += behind() + sends - acks;
  const ahead = [...clients, ...senders].filter(({ room, lastSeq }) => lastSeq > head(room)).length;
  if (ahead > 0) faults.notes.push(`${ahead} heard more messages than were acknowledged`);
  for (const client of [...clients, ...senders]) client.destroy();
  return {
    used,
    done: clients.length,
    delivered,
    totalDone: stored,
    ackLatency: latency.read(),
    deliveryLatency: createLatency().read(),
    faults,
  };
}
