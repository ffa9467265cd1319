/**
 * What nodes say to each other, as bytes: one short ASCII header line, a newline, then the frame.
 *
 * Guarantees: `decodeEnvelope` never throws and checks every field before it hands it out; the
 * frame is passed on untouched, as a view of the received bytes, so a receiver publishes it
 * without parsing it. `decodeEnvelope(encodeEnvelope(e))` is `e`.
 *
 * Neither the node nor the conversation is in here: the bus knows the first, the topic the second. The
 * epoch says which database the sender talks to: positions of another one mean nothing here.
 *
 *   2 <epoch> m <seq> <membersVersion> <id>\n<frame>   message
 *   2 <epoch> e <exceptUser or ->\n<frame>             event
 *   2 <epoch> c <r or d> <userId> <seq>\n<frame>       cursor, read or delivered
 *   2 <epoch> a <userId> <membersVersion>\n<frame>     membership, added     (r: removed)
 *   2 <epoch> n <conversationId> <membersVersion>\n<frame>  news for one person of a membership
 *   2 <epoch> d <userId>\n                             control, disconnect_user
 *
 * Version 1 (0.1) had no epoch and no message id.
 */
import { type CanonicalId, toCanonicalId } from '../shared/ids.ts';

export type Envelope =
  | MessageEnvelope
  | EventEnvelope
  | CursorEnvelope
  | MembershipEnvelope
  | NewsEnvelope
  | ControlEnvelope;

/** An ordered message of a conversation; `seq` is its position, from 1. */
export interface MessageEnvelope {
  kind: 'message';
  seq: number;
  /** The message's id. */
  id: CanonicalId;
  /** Version of the conversation's member list that the message was committed under. */
  membersVersion: number;
  frame: Uint8Array;
}

/** Something ephemeral for everyone on the topic (such as typing), perhaps but one user. */
export interface EventEnvelope {
  kind: 'event';
  frame: Uint8Array;
  exceptUser?: CanonicalId;
}

/** Someone has read or received up to `seq`. Cursors only rise: receivers drop an older one. */
export interface CursorEnvelope {
  kind: 'cursor';
  cursor: 'read' | 'delivered';
  userId: CanonicalId;
  seq: number;
  frame: Uint8Array;
}

/** Someone joined or left the member list, which now has `membersVersion`. */
export interface MembershipEnvelope {
  kind: 'membership';
  action: 'added' | 'removed';
  userId: CanonicalId;
  membersVersion: number;
  frame: Uint8Array;
}

/** What one person's sockets are told of their place in a conversation, joined or not. */
export interface NewsEnvelope {
  kind: 'news';
  conversationId: CanonicalId;
  membersVersion: number;
  frame: Uint8Array;
}

/** An order from one node to the others. */
export interface ControlEnvelope {
  kind: 'control';
  action: 'disconnect_user';
  userId: CanonicalId;
}

/** Why bytes are not an envelope; a closed set, so that it can label a counter. */
export type EnvelopeFault = 'too_large' | 'no_header' | 'version' | 'epoch' | 'kind' | 'fields';

export type DecodedEnvelope =
  | { ok: true; envelope: Envelope }
  | { ok: false; fault: EnvelopeFault };

export interface EnvelopeLimits {
  /** The longest envelope accepted, header and frame together. */
  maxBytes: number;
  /** The database that this node talks to; envelopes of another one are faults. */
  epoch: string;
}

const NEWLINE = 0x0a;
// The longest header is a message's: "2 " + an epoch + " m ", two numbers of 16 digits, an id of 36. The
// search for the newline stops there, so a large payload of garbage costs no more than a small one.
const MAX_HEAD_BYTES = 192;
const EPOCH = /^[\x21-\x7e]{1,64}$/;
const NO_FRAME = new Uint8Array(0);
const WHOLE_NUMBER = /^(?:0|[1-9][0-9]{0,15})$/;

/**
 * The bytes of `envelope`, freshly allocated.
 * @param epoch names the database that this node talks to: 1 to 64 printable ASCII characters
 * @throws TypeError when a field could not be decoded again: that is a mistake in the caller.
 */
export function encodeEnvelope(envelope: Envelope, epoch: string): Uint8Array {
  if (!EPOCH.test(epoch)) throw new TypeError('not an epoch');
  const head = `2 ${epoch}`;
  switch (envelope.kind) {
    case 'message': // 2 fb9a028981395d3c m 17 3 0197…-…c1\n42["new_message",{…}]
      return join(
        `${head} m ${position(envelope.seq)} ${counter(envelope.membersVersion)} ${envelope.id}\n`,
        envelope.frame,
      );
    case 'event': // 2 … e -\n42["user_typing",{…}]
      return join(
        `${head} e ${envelope.exceptUser === undefined ? '-' : envelope.exceptUser}\n`,
        envelope.frame,
      );
    case 'cursor': // 2 … c r 3f2b…-…c1 17\n42["messages_read",{…}]
      return join(
        `${head} c ${envelope.cursor === 'read' ? 'r' : 'd'} ${envelope.userId} ${position(envelope.seq)}\n`,
        envelope.frame,
      );
    case 'membership': // 2 … r 3f2b…-…c1 4\n42["participant_removed",{…}]
      return join(
        `${head} ${envelope.action === 'added' ? 'a' : 'r'} ${envelope.userId} ${counter(envelope.membersVersion)}\n`,
        envelope.frame,
      );
    case 'news': // 2 … n 3f2b…-…c1 4\n42["participant_added",{…}]
      return join(
        `${head} n ${envelope.conversationId} ${counter(envelope.membersVersion)}\n`,
        envelope.frame,
      );
    case 'control': // 2 … d 3f2b…-…c1\n
      return join(`${head} d ${envelope.userId}\n`, NO_FRAME);
  }
}

/**
 * Reads `bytes` back. The frame is a view of `bytes`, so both live equally long. A fault is a
 * value, not an exception: the caller counts it and drops the payload.
 */
export function decodeEnvelope(bytes: Uint8Array, limits: EnvelopeLimits): DecodedEnvelope {
  if (bytes.byteLength > limits.maxBytes) return fault('too_large');
  const end = endOfHeader(bytes);
  if (end < 0) return fault('no_header');
  const header = Buffer.from(bytes.buffer, bytes.byteOffset, end).toString('latin1');
  if (!header.startsWith('2 ')) return fault('version');

  const [, epoch, ...fields] = header.split(' ');
  if (epoch !== limits.epoch) return fault('epoch');
  const first = fields[1] ?? '';
  const frame = bytes.subarray(end + 1);
  switch (fields[0]) {
    case 'm': {
      const seq = wholeNumber(first);
      const membersVersion = wholeNumber(fields[2]);
      const id = idOf(fields[3]);
      const known = seq >= 1 && membersVersion >= 0;
      if (fields.length !== 4 || !known || id === null) return fault('fields');
      return { ok: true, envelope: { kind: 'message', seq, id, membersVersion, frame } };
    }
    case 'e': {
      if (fields.length !== 2) return fault('fields');
      if (first === '-') return { ok: true, envelope: { kind: 'event', frame } };
      const exceptUser = idOf(first);
      if (exceptUser === null) return fault('fields');
      return { ok: true, envelope: { kind: 'event', frame, exceptUser } };
    }
    case 'c': {
      const userId = idOf(fields[2]);
      const seq = wholeNumber(fields[3]);
      const known = first === 'r' || first === 'd';
      if (fields.length !== 4 || !known || userId === null || seq < 1) return fault('fields');
      const cursor = first === 'r' ? 'read' : 'delivered';
      return { ok: true, envelope: { kind: 'cursor', cursor, userId, seq, frame } };
    }
    case 'a':
    case 'r': {
      const userId = idOf(first);
      const membersVersion = wholeNumber(fields[2]);
      if (fields.length !== 3 || userId === null || membersVersion < 0) return fault('fields');
      const action = fields[0] === 'a' ? 'added' : 'removed';
      return { ok: true, envelope: { kind: 'membership', action, userId, membersVersion, frame } };
    }
    case 'n': {
      const conversationId = idOf(first);
      const membersVersion = wholeNumber(fields[2]);
      if (fields.length !== 3 || conversationId === null || membersVersion < 0) {
        return fault('fields');
      }
      return { ok: true, envelope: { kind: 'news', conversationId, membersVersion, frame } };
    }
    case 'd': {
      const userId = idOf(first);
      if (fields.length !== 2 || userId === null || frame.byteLength > 0) return fault('fields');
      return { ok: true, envelope: { kind: 'control', action: 'disconnect_user', userId } };
    }
    default:
      return fault('kind');
  }
}

function fault(reason: EnvelopeFault): DecodedEnvelope {
  return { ok: false, fault: reason };
}

function endOfHeader(bytes: Uint8Array): number {
  const last = Math.min(bytes.byteLength, MAX_HEAD_BYTES);
  for (let at = 0; at < last; at += 1) {
    if (bytes[at] === NEWLINE) return at;
  }
  return -1;
}

function join(header: string, frame: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(header.length + frame.byteLength);
  bytes.write(header, 'latin1');
  bytes.set(frame, header.length);
  return bytes;
}

/** The number written canonically in `text`, or -1: two spellings of one number are one too many. */
function wholeNumber(text: string | undefined): number {
  if (text === undefined || !WHOLE_NUMBER.test(text)) return -1;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : -1;
}

/** Nodes write ids in their canonical spelling: in another one something was damaged on the way. */
function idOf(text: string | undefined): CanonicalId | null {
  const id = toCanonicalId(text);
  return id === text ? id : null;
}

function position(value: number): number {
  if (!Number.isSafeInteger(value) || value < 1) throw new TypeError(`not a seq: ${value}`);
  return value;
}

function counter(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new TypeError(`not a version: ${value}`);
  return value;
}
