/** What every device must have heard: its conversations' messages, head + 1 after head + 1. */
import type { DeviceLog, History, MessageRow, StreamEvent, Table, Violation } from './history.ts';
import type { Members } from './members.ts';

type Report = (rule: string, detail: string) => void;
type Heard = Extract<StreamEvent, { kind: 'message' }>;

/** One device's stream of one conversation. */
interface Stream {
  state: 'closed' | 'joining' | 'open';
  /** The last seq heard, or that the join said; null: any may come. */
  head: number | null;
  /** A join under way starts the stream anew after this seq, at some moment before its answer. */
  restart: number | null;
  /** Whether the device has ever been told where it stands. */
  begun: boolean;
  /** It has heard what was lost with a database, and was not told since. */
  isLost: boolean;
}

/** What the table says of places: whether nothing is between two of them any more, and what was lost. */
interface Places {
  /** Whether every position after `from` up to `to` was deleted by hand. */
  areGone(conversationId: string, from: number, to: number): boolean;
  isLost(id: string): boolean;
}

export function checkStreams(history: History, table: Table, members: Members): Violation[] {
  const violations: Violation[] = [];
  const rows = new Map(
    [...table.deleted, ...table.messages].map((row) => [`${row.conversationId} ${row.seq}`, row]),
  );
  const places = placesOf(table);
  const lastSeqs = new Map(table.conversations.map(({ id, lastSeq }) => [id, lastSeq]));
  for (const device of history.devices) {
    const { userId } = device;
    const report: Report = (rule, detail) =>
      violations.push({ rule, detail: `${device.name}: ${detail}` });
    const streams = follow(device, places, report);
    for (const event of device.events) {
      if (event.kind === 'message') {
        if (!places.isLost(event.id)) checkHeard(event, device, rows, members, report);
      } else if (event.kind === 'joined' && !members.wasMember(event.conversationId, userId)) {
        report('joined by an outsider', event.conversationId);
      }
    }
    checkReads(device, report);
    if (table.deleted.length > 0) checkUndisturbed(device, report);
    for (const conversationId of device.joins) {
      if (!members.isMember(conversationId, device.userId)) continue;
      const stream = streams.get(conversationId);
      const due = lastSeqs.get(conversationId) ?? 0;
      if (stream?.state !== 'open') report('not back at the end', conversationId);
      else if (stream.isLost) report('never told of what was lost', conversationId);
      else if (stream.head !== due && !places.areGone(conversationId, stream.head ?? due, due)) {
        report('a hole never closed', `${conversationId}: heard up to ${stream.head} of ${due}`);
      }
    }
  }
  for (const { conversationId, userId, shownUpTo, at } of history.readings) {
    if (shownUpTo !== null && !members.mayHear(conversationId, userId, shownUpTo, at)) {
      const detail = `${conversationId} #${shownUpTo} to ${userId}`;
      violations.push({ rule: 'shown to an outsider', detail });
    }
  }
  return violations;
}

/** Walks through the events and says where each conversation's stream stands at the end. */
function follow(device: DeviceLog, places: Places, report: Report): Map<string, Stream> {
  const streams = new Map<string, Stream>();
  const of = (conversationId: string): Stream => {
    let stream = streams.get(conversationId);
    if (stream === undefined) {
      stream = { state: 'closed', head: null, restart: null, begun: false, isLost: false };
      streams.set(conversationId, stream);
    }
    return stream;
  };
  for (const event of device.events) {
    switch (event.kind) {
      case 'connect':
      case 'disconnect':
        for (const stream of streams.values()) stream.state = 'closed';
        break;
      case 'join': {
        const stream = of(event.conversationId);
        // On a connection that hears it already, the old stream may go on until the new one starts.
        if (stream.state === 'closed') stream.head = null;
        stream.restart = event.afterSeq;
        stream.state = 'joining';
        break;
      }
      case 'joined': {
        const stream = of(event.conversationId);
        checkSeam(stream, event, places, report);
        if (stream.isLost && !event.resync) {
          report('resumed on what was lost', `${event.conversationId} at #${event.lastSeq}`);
        }
        stream.isLost = false;
        stream.state = 'open';
        stream.head = event.lastSeq;
        stream.restart = null;
        stream.begun = true;
        break;
      }
      case 'join_refused':
        if (event.code === 'not_a_participant') streams.delete(event.conversationId);
        else of(event.conversationId).state = 'closed';
        break;
      case 'resync':
        // Told, not silent: the stream goes on from there, and the next join starts it anew.
        of(event.conversationId).head = event.lastSeq;
        of(event.conversationId).isLost = false;
        break;
      case 'message':
        take(of(event.conversationId), event, places, report);
    }
  }
  return streams;
}

function take(stream: Stream, event: Heard, places: Places, report: Report): void {
  const { seq, conversationId } = event;
  if (places.isLost(event.id)) stream.isLost = true;
  else if (stream.isLost) {
    report('heard something newer than what was lost', `${conversationId} #${seq}`);
    stream.isLost = false;
  }
  const follows = (head: number | null): boolean =>
    head !== null && seq > head && places.areGone(conversationId, head, seq - 1);
  if (stream.state === 'closed') {
    report('heard without having joined', `${conversationId} #${seq}`);
    return;
  }
  if (follows(stream.head)) {
    stream.head = seq;
  } else if (stream.state === 'joining' && follows(stream.restart)) {
    stream.head = seq;
    stream.restart = null;
  } else {
    const due = stream.head === null ? 'nothing yet' : `#${stream.head + 1}`;
    const kind = stream.head !== null && seq <= stream.head ? 'heard again' : 'a hole or a jump';
    report(kind, `${conversationId} #${seq} where ${due} is due`);
    stream.head = seq;
  }
}

/** At its answer a join has replayed everything between what it said and what it answers. */
function checkSeam(
  stream: Stream,
  joined: Extract<StreamEvent, { kind: 'joined' }>,
  places: Places,
  report: Report,
): void {
  const { conversationId, lastSeq, resync } = joined;
  if (stream.state !== 'joining' || resync) return;
  // By the replay, or because the old stream had brought it all by then.
  const reaches = (head: number | null): boolean =>
    head !== null && head <= lastSeq && places.areGone(conversationId, head, lastSeq);
  const replayed = reaches(stream.head);
  const nothingToReplay = reaches(stream.restart);
  // Without after_seq the stream begins at the answer.
  const plain = stream.restart === null && stream.head === null;
  if (!replayed && !nothingToReplay && !plain) {
    const from = stream.restart ?? stream.head;
    report('a replay with a hole', `${conversationId}: at ${from} when the join said ${lastSeq}`);
  }
}

/** What was heard is what is stored, and its hearer may hear it. */
function checkHeard(
  event: Heard,
  device: DeviceLog,
  rows: Map<string, MessageRow>,
  members: Members,
  report: Report,
): void {
  const { conversationId, seq } = event;
  const row = rows.get(`${conversationId} ${seq}`);
  if (row === undefined || row.id !== event.id) {
    report('heard what is not stored', `${conversationId} #${seq} ${event.content}`);
    return;
  }
  if (row.content !== event.content || row.senderId !== event.senderId) {
    report('heard with another body', `${conversationId} #${seq} ${event.content}`);
  }
  if (!members.mayHear(conversationId, device.userId, seq, event.at)) {
    report('heard by an outsider', `${conversationId} #${seq}`);
  }
}

/** Rows that somebody deleted are no reason to read everything again. */
function checkUndisturbed(device: DeviceLog, report: Report): void {
  for (const event of device.events) {
    const told = event.kind === 'resync' || (event.kind === 'joined' && event.resync);
    if (told) report('told to resync for rows that are gone', event.conversationId);
  }
}

function placesOf(table: Table): Places {
  const lost = new Set(table.lost.map(({ id }) => id));
  const gone = new Set(table.deleted.map((row) => `${row.conversationId} ${row.seq}`));
  return {
    isLost: (id) => lost.has(id),
    areGone(conversationId, from, to) {
      for (let seq = from + 1; seq <= to; seq += 1) {
        if (!gone.has(`${conversationId} ${seq}`)) return false;
      }
      return true;
    },
  };
}

function checkReads(device: DeviceLog, report: Report): void {
  const marks = new Map<string, number>();
  for (const event of device.events) {
    // Another node may not have heard yet what the one before has shown.
    if (event.kind === 'connect') marks.clear();
    // PostgreSQL has gone back, and marks with it.
    if (event.kind === 'resync') {
      for (const key of marks.keys()) if (key.startsWith(event.conversationId)) marks.delete(key);
    }
    if (event.kind !== 'read') continue;
    const key = `${event.conversationId} ${event.userId}`;
    const before = marks.get(key) ?? 0;
    if (event.lastReadSeq < before) {
      report('a read mark fell before one', `${key}: ${before}, then ${event.lastReadSeq}`);
    }
    marks.set(key, Math.max(before, event.lastReadSeq));
  }
}
