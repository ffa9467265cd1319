/**
 * Messages in rooms. Closed loop: every sender keeps `window` sends unanswered. Open loop: sends go
 * out on a schedule whatever the answers do, and latency counts from the scheduled moment, so a stall
 * of the server is not hidden by a generator that waits with it (coordinated omission).
 */
import { createLatency } from './latency.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { startMeter } from './meter.ts';
import type { LoadResult, Traffic, Used } from './plan.ts';
import type { Talker, Wire } from './wire.ts';
import { joinWire } from './wires.ts';

const MAX_SENDS = 4_000_000;
const T_MARK = 0x23; // '#'
const TICK_MS = 1;

export async function runTraffic(plan: Traffic): Promise<LoadResult> {
  /** When each send was due, by acknowledgement id. */
  const dueAt = new Float64Array(MAX_SENDS);
  /** The order that each send stands in. */
  const sentInto = new Int32Array(MAX_SENDS);
  /** The client of each send. */
  const sentBy = new Int32Array(MAX_SENDS);
  const answered = new Uint8Array(MAX_SENDS);
  const ackLatency = createLatency();
  const deliveryLatency = createLatency();
  let ledger: Ledger | null = null;
  let wire: Wire | null = null;
  let sends = 0;
  let acks = 0;
  let stored = 0;
  let strayAcks = 0;
  let measuring = false;
  let sending = true;
  let done = 0;
  let delivered = 0;
  /** First send that belongs to the measured time. */
  let firstMeasured = Number.POSITIVE_INFINITY;
  let lastMeasured = Number.POSITIVE_INFINITY;
  const measured = (id: number) => id >= firstMeasured && id < lastMeasured;

  const joined = await joinWire(plan, {
    onMessage(talker, seq, buffer, from, to) {
      if (wire !== null) ledger?.heard(wire.hearerOf(talker, buffer, from, to), seq);
      if (measuring) delivered += 1;
      if (plan.ratePerSecond > 0) {
        const id = sendIdOf(buffer, from, to);
        // To somebody else: the sender's own copy has less of a way, over Redis none.
        if (measured(id) && sentBy[id] !== talker.index) {
          deliveryLatency.record(performance.now() - (dueAt[id] ?? 0));
        }
      }
    },
    onAck(talker, id, ok, buffer, from, to) {
      // Each send has one answer, at the socket it came from.
      if (answered[id] !== 0 || sentBy[id] !== talker.index || id >= sends) {
        strayAcks += 1;
        return;
      }
      answered[id] = 1;
      acks += 1;
      if (ok) stored += 1;
      if (ok) ledger?.acked(sentInto[id] ?? -1);
      else ledger?.refused(buffer.toString('utf8', from, Math.min(to, from + 200)));
      if (measuring && ok) done += 1;
      if (measured(id)) ackLatency.record(performance.now() - (dueAt[id] ?? 0));
      if (plan.ratePerSecond === 0 && sending) send(talker, performance.now());
    },
    onError: (_talker, text) => ledger?.refused(text),
  });
  wire = joined;
  ledger = createLedger(joined.hearers, joined.orders);

  const padding = 'x'.repeat(plan.contentBytes - 12);
  function send(talker: Talker, due: number): void {
    const id = sends;
    if (id >= MAX_SENDS)
      throw new Error(`more than ${MAX_SENDS} messages: a shorter run is needed`);
    sends += 1;
    dueAt[id] = due;
    const order = joined.nextOrder(talker);
    sentInto[id] = order;
    sentBy[id] = talker.index;
    joined.send(talker, id, order, `#${String(id).padStart(10, '0')} ${padding}`);
  }

  const seen = new Set<number>();
  const senders =
    plan.senders === 'all'
      ? joined.talkers
      : joined.talkers.filter(({ room }) => !seen.has(room) && seen.add(room));
  const openLoop =
    plan.ratePerSecond > 0 ? startSchedule(plan.ratePerSecond, senders, send) : undefined;
  if (openLoop === undefined) {
    const now = performance.now();
    for (const talker of senders) for (let i = 0; i < plan.window; i += 1) send(talker, now);
  }

  await after(plan.warmUpMs);
  const stopMeter = startMeter(plan.serverPids);
  firstMeasured = sends;
  measuring = true;
  await after(plan.measureMs);
  measuring = false;
  const used: Used = stopMeter();
  lastMeasured = sends;
  sending = false;
  openLoop?.stop();
  const settled = performance.now() + plan.settleMs;
  while ((acks < sends || ledger.outstanding() > 0) && performance.now() < settled) await after(20);
  // Whatever comes twice or too late would come now.
  await after(100);
  const faults = ledger.close();
  if (acks < sends) faults.notes.push(`${sends - acks} sends were never answered`);
  faults.lost += sends - acks;
  if (strayAcks > 0) faults.notes.push(`${strayAcks} answers came twice, or to somebody else`);
  ledger = null;
  for (const talker of joined.talkers) talker.destroy();
  return {
    used,
    done,
    delivered,
    totalDone: stored,
    ackLatency: ackLatency.read(),
    deliveryLatency: deliveryLatency.read(),
    faults,
  };
}

/** Sends evenly over time, the senders in turn; what a late tick missed is sent with its due time. */
function startSchedule(
  ratePerSecond: number,
  senders: readonly Talker[],
  send: (talker: Talker, due: number) => void,
) {
  const startedAt = performance.now();
  let count = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    for (;;) {
      const due = startedAt + (count * 1000) / ratePerSecond;
      if (due > now) return;
      const talker = senders[count % senders.length];
      if (talker !== undefined) send(talker, due);
      count += 1;
    }
  }, TICK_MS);
  return { stop: () => clearInterval(timer) };
}

/** `#0000000007` in the content. */
function sendIdOf(buffer: Buffer, from: number, to: number): number {
  const at = buffer.indexOf(T_MARK, from);
  if (at < 0 || at >= to) return -1;
  let id = 0;
  for (let i = at + 1; i < at + 11; i += 1) id = id * 10 + ((buffer[i] ?? 0) - 0x30);
  return id;
}

export function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
