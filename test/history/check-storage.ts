/** What PostgreSQL must hold for what the senders were told. */
import type { Attempt, History, MessageRow, Send, Table, Violation } from './history.ts';
import type { Members } from './members.ts';

type Report = (rule: string, detail: string) => void;

export function checkStorage(history: History, table: Table, members: Members): Violation[] {
  const violations: Violation[] = [];
  const report: Report = (rule, detail) => violations.push({ rule, detail });
  const rows = byConversation(table);
  checkPositions(table, rows, report);
  checkSends(history, table, report);
  checkRefusals(history, members, report);
  checkOrder(history, rows, report);
  checkOrders(history, report);
  for (const row of table.messages) {
    if (!members.tookPart(row.conversationId, row.senderId, row.seq)) {
      report('accepted from an outsider', `${place(row)} of ${row.senderId}`);
    }
  }
  checkMarks(history, table, report);
  return violations;
}

/** The seqs of every conversation are 1 … last_seq. */
function checkPositions(table: Table, rows: Map<string, MessageRow[]>, report: Report): void {
  for (const { id, lastSeq } of table.conversations) {
    const gone = table.deleted.filter(({ conversationId }) => conversationId === id);
    const list = [...(rows.get(id) ?? []), ...gone].sort((one, other) => one.seq - other.seq);
    for (const [index, row] of list.entries()) {
      if (row.seq !== index + 1) {
        report('seqs have a gap or a double', `${id}: ${row.seq} where ${index + 1} is due`);
        break;
      }
    }
    if (list.length !== lastSeq) {
      report('last_seq is wrong', `${id}: ${lastSeq} with ${list.length} messages`);
    }
  }
}

/** Every answer of every send against the row, and every row against the sends. */
function checkSends(history: History, table: Table, report: Report): void {
  const stored = new Map<string, MessageRow[]>();
  for (const row of table.messages) {
    const same = stored.get(row.content);
    if (same === undefined) stored.set(row.content, [row]);
    else same.push(row);
  }
  const asked = new Set<string>();
  // Of a message that is no more, whoever took it away, nothing can be said; nor of its key.
  const noMore = [...table.lost, ...table.deleted];
  const noMoreIds = new Set(noMore.map(({ id }) => id));
  const freed = new Set(noMore.map(keyOf));
  for (const send of history.sends) {
    asked.add(send.content);
    const found = stored.get(send.content) ?? [];
    const isFreed = freed.has(keyOf(send));
    if (found.length > 1 && send.key !== null && !isFreed) {
      report('stored twice', `${send.content}: ${found.map(place).join(', ')}`);
    }
    const acked = send.attempts.filter(
      ({ outcome, message }) => outcome === 'ok' && !noMoreIds.has(message?.id ?? ''),
    );
    if (send.conflicts && isFreed) continue;
    if (send.conflicts) {
      if (found.length > 0 || acked.length > 0) {
        report('a second body under one key', `${send.content} was accepted`);
      }
      continue;
    }
    checkAcked(send, acked, found, report);
    const definite = send.attempts.every(({ outcome }) => outcome === 'refused');
    if (definite && found.length > 0) report('refused but stored', describe(send));
    const [row] = found;
    if (row !== undefined && !agrees(row, send)) {
      report('stored with another body', `${place(row)} is not ${describe(send)}`);
    }
  }
  for (const row of table.messages) {
    if (!asked.has(row.content)) report('nobody sent this', `${place(row)}: ${row.content}`);
  }
}

const keyOf = (of: { conversationId: string; senderId: string; key: string | null }): string =>
  `${of.conversationId} ${of.senderId} ${of.key}`;

function checkAcked(send: Send, acked: Attempt[], found: MessageRow[], report: Report): void {
  const ids = new Set(acked.map(({ message }) => message?.id));
  if (ids.size > 1) report('one key, two messages', describe(send));
  const firsts = acked.filter(({ message }) => message?.duplicate === false);
  if (firsts.length > 1) report('twice told the first', describe(send));
  const begunBy = (at: number): number => send.attempts.filter((a) => a.invokedAt <= at).length;
  if (acked.some((a) => a.message?.duplicate === true && begunBy(a.endedAt) === 1)) {
    report('a duplicate of nothing', describe(send));
  }
  for (const { message } of acked) {
    const row = found.find(({ id }) => id === message?.id);
    if (message === null || row === undefined) {
      report('acked but not stored', `${describe(send)} as #${message?.seq}`);
      return;
    }
    if (row.seq !== message.seq) {
      report('acked with another seq', `${describe(send)}: #${message.seq}, stored ${place(row)}`);
      return;
    }
  }
}

/** Whoever takes part is never told that they do not. */
function checkRefusals(history: History, members: Members, report: Report): void {
  for (const send of history.sends) {
    const refused = send.attempts.some(({ code }) => code === 'not_a_participant');
    if (refused && members.wasAlwaysMember(send.conversationId, send.senderId)) {
      report('a participant was refused', describe(send));
    }
  }
}

function agrees(row: MessageRow, send: Send): boolean {
  return (
    row.conversationId === send.conversationId &&
    row.senderId === send.senderId &&
    row.key === send.key
  );
}

/** Whoever begins to send after another's ack comes after it. */
function checkOrder(history: History, rows: Map<string, MessageRow[]>, report: Report): void {
  const begun = new Map<string, number>();
  const ackedAt = new Map<string, number>();
  for (const send of history.sends) {
    const first = send.attempts[0]?.invokedAt ?? 0;
    for (const attempt of send.attempts) {
      const id = attempt.message?.id;
      if (id === undefined) continue;
      begun.set(id, Math.min(first, begun.get(id) ?? first));
      ackedAt.set(id, Math.min(attempt.endedAt, ackedAt.get(id) ?? Number.POSITIVE_INFINITY));
    }
  }
  for (const [conversationId, list] of rows) {
    // Backwards: the earliest ack of all later messages must not lie before this one's beginning.
    let earliestAck = Number.POSITIVE_INFINITY;
    for (const { id, seq } of [...list].reverse()) {
      if (earliestAck < (begun.get(id) ?? 0)) {
        report('order against the acks', `${conversationId} #${seq} began after a later one's ack`);
        break;
      }
      earliestAck = Math.min(earliestAck, ackedAt.get(id) ?? Number.POSITIVE_INFINITY);
    }
  }
}

/** Read marks never fall, and none that was acked is lost. */
function checkMarks(history: History, table: Table, report: Report): void {
  const last = new Map(table.conversations.map(({ id, lastSeq }) => [id, lastSeq]));
  const final = new Map(
    table.cursors.map((cursor) => [`${cursor.conversationId} ${cursor.userId}`, cursor]),
  );
  for (const cursor of table.cursors) {
    if (cursor.lastReadSeq > (last.get(cursor.conversationId) ?? 0)) {
      report('a read mark beyond the end', `${cursor.conversationId} ${cursor.userId}`);
    }
  }
  const changed = new Set(history.membership.map((c) => `${c.conversationId} ${c.userId}`));
  const marks = new Map<string, { ackedAt: number; seq: number; invokedAt: number }[]>();
  for (const mark of history.marks) {
    const key = `${mark.conversationId} ${mark.userId}`;
    // Whoever is removed and added again starts anew at the end.
    if (mark.lastReadSeq === null || changed.has(key)) continue;
    const cursor = final.get(key);
    // Acked by a database that is no more: it may be gone with it, and everybody begins anew.
    if (table.replacedAt !== null && mark.invokedAt <= table.replacedAt) continue;
    if (cursor === undefined || cursor.lastReadSeq < mark.lastReadSeq) {
      report('a read mark was lost', `${key}: ${mark.lastReadSeq} was acked`);
    }
    const acked = { ackedAt: mark.endedAt, invokedAt: mark.invokedAt, seq: mark.lastReadSeq };
    const list = marks.get(key);
    if (list === undefined) marks.set(key, [acked]);
    else list.push(acked);
  }
  for (const [key, list] of marks) {
    for (const later of list) {
      const fell = list.find((one) => one.ackedAt < later.invokedAt && one.seq > later.seq);
      if (fell !== undefined) report('a read mark fell', `${key}: ${fell.seq}, then ${later.seq}`);
    }
  }
}

/** Whoever was connected when their disconnection was ordered has been disconnected since. */
function checkOrders({ orders, devices }: History, report: Report): void {
  for (const { userId, invokedAt, ackedAt } of orders) {
    if (ackedAt === null) continue;
    for (const { name, events } of devices.filter((device) => device.userId === userId)) {
      const before = events.filter(({ at }) => at < invokedAt);
      const last = before.findLast(({ kind }) => kind === 'connect' || kind === 'disconnect');
      if (last?.kind !== 'connect') continue;
      const ended = events.some(({ kind, at }) => kind === 'disconnect' && at >= invokedAt);
      if (!ended) report('an order was not carried out', `${name} stayed connected`);
    }
  }
}

function byConversation(table: Table): Map<string, MessageRow[]> {
  const grouped = new Map<string, MessageRow[]>();
  for (const row of [...table.messages].sort((one, other) => one.seq - other.seq)) {
    const list = grouped.get(row.conversationId);
    if (list === undefined) grouped.set(row.conversationId, [row]);
    else list.push(row);
  }
  return grouped;
}

const place = (row: MessageRow): string => `${row.conversationId} #${row.seq}`;
const describe = (send: Send): string => `"${send.content}" (key ${send.key ?? 'none'})`;
