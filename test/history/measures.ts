/** How long things took in a run: from the history alone, for the bounds and for the report. */
import type { Attempt, DeviceLog, History, Send } from './history.ts';

export interface Window {
  startedAt: number;
  endedAt: number;
}

export interface Measures {
  ok: number;
  unknown: number;
  refused: number;
  /** Attempts answered with 503 unavailable, whether the outcome is known or not. */
  unavailable: number;
  /** Messages of participants, under a key, that never got through however often they were sent. */
  failed: number;
  deliveries: number;
  disconnects: number;
  /** Longest way of a message from its ack to a device that was joined all the while. */
  detectMs: number;
  /** From the end of the fault to the next ok of the person who waited longest for it. */
  firstOkMs: number;
  /** From the end of the fault until every device had all that was acked before it. */
  caughtUpMs: number;
  /** Longest wait for an answer to an attempt begun during the fault. */
  slowestAnswerMs: number;
  /** Attempts begun during the fault that were never answered. */
  unanswered: number;
  /** Connections lost during the fault, a second after it included. */
  lostDuring: number;
}

export function measure(history: History, window: Window): Measures {
  const attempts = history.sends.filter(({ conflicts }) => !conflicts).flatMap((s) => s.attempts);
  const inWindow = ({ invokedAt }: Attempt): boolean =>
    invokedAt >= window.startedAt && invokedAt <= window.endedAt;
  const ackedAt = ackTimes(history);
  const events = history.devices.flatMap((device) => device.events);
  const answered = attempts.filter((a) => inWindow(a) && a.code !== 'no answer');
  return {
    ok: history.sends.filter((s) => s.attempts.some((a) => a.outcome === 'ok')).length,
    unknown: attempts.filter(({ outcome }) => outcome === 'unknown').length,
    refused: attempts.filter(({ outcome }) => outcome === 'refused').length,
    unavailable: attempts.filter(({ code }) => code === 'unavailable').length,
    failed: history.sends.filter(neverGotThrough).length,
    deliveries: events.filter(({ kind }) => kind === 'message').length,
    disconnects: events.filter(({ kind }) => kind === 'disconnect').length,
    detectMs: most(history.devices.map((device) => longestWay(device, ackedAt, window))),
    firstOkMs: firstOkMs(history, window),
    caughtUpMs: most(history.devices.map((device) => caughtUpMs(device, ackedAt, window))),
    slowestAnswerMs: most(answered.map((a) => a.endedAt - a.invokedAt)),
    unanswered: attempts.filter((a) => inWindow(a) && a.code === 'no answer').length,
    lostDuring: events.filter(
      ({ kind, at }) =>
        kind === 'disconnect' && at >= window.startedAt && at <= window.endedAt + 1_000,
    ).length,
  };
}

function neverGotThrough({ key, conflicts, attempts }: Send): boolean {
  if (key === null || conflicts) return false;
  return attempts.every(({ outcome, code }) => outcome !== 'ok' && code !== 'not_a_participant');
}

const most = (values: readonly number[]): number =>
  values.reduce((one, other) => Math.max(one, other), 0);

/** When each stored message was first acked, by place. */
function ackTimes(history: History): Map<string, number> {
  const times = new Map<string, number>();
  for (const { conversationId, attempts } of history.sends) {
    for (const { message, endedAt } of attempts) {
      if (message === null) continue;
      const place = `${conversationId} ${message.seq}`;
      times.set(place, Math.min(endedAt, times.get(place) ?? endedAt));
    }
  }
  return times;
}

function longestWay(device: DeviceLog, ackedAt: Map<string, number>, window: Window): number {
  const joinedAt = new Map<string, number>();
  let longest = 0;
  for (const event of device.events) {
    if (event.kind === 'disconnect') joinedAt.clear();
    else if (event.kind === 'join') joinedAt.delete(event.conversationId);
    else if (event.kind === 'joined') joinedAt.set(event.conversationId, event.at);
    else if (event.kind === 'message') {
      const acked = ackedAt.get(`${event.conversationId} ${event.seq}`);
      const joined = joinedAt.get(event.conversationId);
      if (acked === undefined || joined === undefined || joined > acked) continue;
      if (acked >= window.startedAt && acked <= window.endedAt + 5_000) {
        longest = Math.max(longest, event.at - acked);
      }
    }
  }
  return longest;
}

function firstOkMs({ sends }: History, { endedAt }: Window): number {
  const firstAt = new Map<string, number>();
  for (const { senderId, conflicts, attempts } of sends) {
    // An intruder, who is never served.
    if (conflicts || attempts.some(({ code }) => code === 'not_a_participant')) continue;
    for (const { outcome, endedAt: at } of attempts) {
      if (at <= endedAt) continue;
      const before = firstAt.get(senderId) ?? Number.POSITIVE_INFINITY;
      // Someone who only hears refusals while the others are served counts as well.
      firstAt.set(senderId, outcome === 'ok' ? Math.min(at, before) : before);
    }
  }
  return firstAt.size === 0 ? Number.POSITIVE_INFINITY : most([...firstAt.values()]) - endedAt;
}

/** Until the device has, for each conversation, the newest that was acked when the fault ended. */
function caughtUpMs(device: DeviceLog, ackedAt: Map<string, number>, window: Window): number {
  const due = new Map<string, number>();
  for (const [place, at] of ackedAt) {
    if (at > window.endedAt) continue;
    const [conversationId = '', seq] = place.split(' ');
    due.set(conversationId, Math.max(Number(seq), due.get(conversationId) ?? 0));
  }
  let latest = 0;
  for (const conversationId of device.joins) {
    const target = due.get(conversationId) ?? 0;
    const reached = device.events.find(
      (event) =>
        (event.kind === 'message' && is(event, conversationId) && event.seq >= target) ||
        (event.kind === 'joined' && is(event, conversationId) && event.lastSeq >= target),
    );
    // Never: that is for the checker to judge, who knows who was removed.
    if (reached !== undefined) latest = Math.max(latest, reached.at - window.endedAt);
    // Whoever was disconnected has to be back as well.
    latest = Math.max(latest, backMs(device, conversationId, window));
  }
  return latest;
}

const is = (event: { conversationId: string }, id: string): boolean => event.conversationId === id;

/** How long after the end the device was without the conversation, if it was disconnected. */
function backMs({ events }: DeviceLog, conversationId: string, { endedAt }: Window): number {
  const lost = events.find(({ kind, at }) => kind === 'disconnect' && at >= endedAt - 1);
  if (lost === undefined || lost.at > endedAt + 1_000) return 0;
  const back = events.find(
    (event) => event.kind === 'joined' && is(event, conversationId) && event.at > lost.at,
  );
  return back === undefined ? 0 : back.at - endedAt;
}
