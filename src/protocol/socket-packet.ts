/**
 * Socket.IO v5 packets: decoding, and the types both directions share.
 *
 * Guarantees: linear time in the length of the text; any text gives a packet or a `ProtocolError`;
 * keys such as `__proto__` stay plain data. Pure: no I/O.
 *
 * Source: Socket.IO protocol, version 5, "Packet encoding":
 * `<type>[<attachments>-][<namespace>,][<ack id>][<JSON payload>]`.
 */
import { checkNamespace } from './namespace.ts';
import { parseArgs, parseJson } from './parse-args.ts';
import { ProtocolError } from './protocol-error.ts';

export {
  encodeAck,
  encodeConnect,
  encodeConnectError,
  encodeDisconnect,
  encodeEvent,
  encodeTextAck,
  encodeTextEvent,
} from './socket-encode.ts';

/** Bounds on what the other side may send; a packet beyond one is a `ProtocolError`. */
export interface SocketLimits {
  /** Most binary attachments of one packet. */
  maxAttachments: number;
  /** Nesting of arrays and objects in the JSON payload; the argument array itself counts one. */
  maxDepth: number;
  /** Nodes of the JSON payload, as `JsonBounds` counts them. */
  maxNodes: number;
  /** Characters of a namespace, its slash included. */
  maxNamespaceLength: number;
  /** Most characters of an event name. */
  maxEventNameLength: number;
}

/** The event's name, then its arguments. */
export type EventArgs = [string, ...unknown[]];

export type ConnectPacket = {
  type: 'connect';
  namespace: string;
  data: Record<string, unknown> | undefined;
};
export type DisconnectPacket = { type: 'disconnect'; namespace: string };
export type EventPacket = {
  type: 'event';
  namespace: string;
  args: EventArgs;
  ackId: number | undefined;
};
export type AckPacket = { type: 'ack'; namespace: string; args: unknown[]; ackId: number };
export type ConnectErrorPacket = {
  type: 'connect_error';
  namespace: string;
  data: string | Record<string, unknown>;
};
/** BINARY_EVENT or BINARY_ACK: `packet` still holds placeholders for `pending` attachments. */
export type BinaryPacket = { type: 'binary'; pending: number; packet: EventPacket | AckPacket };

export type SocketPacket =
  | ConnectPacket
  | DisconnectPacket
  | EventPacket
  | AckPacket
  | ConnectErrorPacket
  | BinaryPacket;

/** Number.MAX_SAFE_INTEGER has sixteen digits. */
const MAX_ACK_ID_DIGITS = 16;
/** No limit of attachments has more digits; the count is bounded before it is read. */
const MAX_ATTACHMENT_DIGITS = 9;

const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const SLASH = 0x2f;
const DASH = 0x2d;

/**
 * Decodes the data of an Engine.IO message, which begins at `start` of `text`: 0 when the leading `4`
 * has been left out, 1 to read a whole frame where it is, without cutting it first.
 *
 * As in socket.io-parser, an event name may be a number; it comes out as its decimal string, which
 * is the key an event emitter would use for it. Stricter than socket.io-parser: events and acks
 * must have a payload, acks an id, ids are digits only.
 *
 * @throws ProtocolError and nothing else
 */
export function decodeSocketPacket(text: string, limits: SocketLimits, start = 0): SocketPacket {
  const at = start + 1;
  switch (text.charCodeAt(start)) {
    case 0x30: // 0/admin,{"token":"123"}
      return decodeConnect(text, at, limits);
    case 0x31: // 1/admin,
      return decodeDisconnect(text, at, limits);
    case 0x32: // 212["foo"]
      return decodeEvent(text, at, limits);
    case 0x33: // 3/admin,13["bar"]
      return decodeAck(text, at, limits);
    case 0x34: // 4{"message":"Not authorized"}
      return decodeConnectError(text, at, limits);
    case 0x35: // 51-["baz",{"_placeholder":true,"num":0}]
      return decodeBinary(text, at, limits, decodeEvent);
    case 0x36: // 61-15["bar",{"_placeholder":true,"num":0}]
      return decodeBinary(text, at, limits, decodeAck);
    default:
      throw new ProtocolError('invalid_packet_type', 'not a Socket.IO packet');
  }
}

function decodeConnect(text: string, start: number, limits: SocketLimits): ConnectPacket {
  const namespace = readNamespace(text, start, limits);
  const at = skipNamespace(text, start, namespace);
  if (at >= text.length) return { type: 'connect', namespace, data: undefined };
  const data = parseJson(text.substring(at), limits);
  if (!isRecord(data)) throw new ProtocolError('invalid_payload', 'CONNECT takes an object');
  return { type: 'connect', namespace, data };
}

function decodeDisconnect(text: string, start: number, limits: SocketLimits): DisconnectPacket {
  const namespace = readNamespace(text, start, limits);
  if (skipNamespace(text, start, namespace) < text.length) {
    throw new ProtocolError('invalid_payload', 'DISCONNECT takes no payload');
  }
  return { type: 'disconnect', namespace };
}

function decodeConnectError(text: string, start: number, limits: SocketLimits): ConnectErrorPacket {
  const namespace = readNamespace(text, start, limits);
  const data = parseJson(text.substring(skipNamespace(text, start, namespace)), limits);
  if (typeof data !== 'string' && !isRecord(data)) {
    throw new ProtocolError('invalid_payload', 'CONNECT_ERROR takes an object or a string');
  }
  return { type: 'connect_error', namespace, data };
}

function decodeEvent(text: string, start: number, limits: SocketLimits): EventPacket {
  let namespace = '/';
  let idAt = start;
  if (text.charCodeAt(start) === SLASH) {
    namespace = readNamespace(text, start, limits);
    idAt += namespace.length + 1;
  }
  const argsAt = skipDigits(text, idAt);
  const ackId = argsAt === idAt ? undefined : readAckId(text, idAt, argsAt);
  const args = parseArgs(text, argsAt, limits);
  if (!hasEventName(args, limits.maxEventNameLength)) {
    throw new ProtocolError('invalid_event', 'event name missing, reserved or too long');
  }
  return { type: 'event', namespace, args, ackId };
}

function decodeAck(text: string, start: number, limits: SocketLimits): AckPacket {
  const namespace = readNamespace(text, start, limits);
  const idAt = skipNamespace(text, start, namespace);
  const argsAt = skipDigits(text, idAt);
  if (argsAt === idAt) throw new ProtocolError('invalid_ack_id', 'acknowledgement without an id');
  const ackId = readAckId(text, idAt, argsAt);
  return { type: 'ack', namespace, args: parseArgs(text, argsAt, limits), ackId };
}

function decodeBinary(
  text: string,
  start: number,
  limits: SocketLimits,
  decodeInner: (text: string, start: number, limits: SocketLimits) => EventPacket | AckPacket,
): BinaryPacket {
  const end = skipDigits(text, start);
  if (end === start || text.charCodeAt(end) !== DASH) {
    throw new ProtocolError('invalid_attachments', 'attachment count missing');
  }
  // A count too long to read is too large a count.
  const pending = end - start > MAX_ATTACHMENT_DIGITS ? Infinity : readDigits(text, start, end);
  if (pending === 0) throw new ProtocolError('invalid_attachments', 'no attachment announced');
  if (pending > limits.maxAttachments) {
    throw new ProtocolError('too_many_attachments', 'too many attachments announced');
  }
  return { type: 'binary', pending, packet: decodeInner(text, end + 1, limits) };
}

/** The namespace at `start`, `/` when none is written. Ends at a comma or with the text. */
function readNamespace(text: string, start: number, limits: SocketLimits): string {
  if (text.charCodeAt(start) !== SLASH) return '/';
  const comma = text.indexOf(',', start);
  const end = comma === -1 ? text.length : comma;
  if (end - start > limits.maxNamespaceLength) {
    throw new ProtocolError('invalid_namespace', 'namespace too long');
  }
  const namespace = text.substring(start, end);
  checkNamespace(namespace);
  return namespace;
}

function skipNamespace(text: string, start: number, namespace: string): number {
  return text.charCodeAt(start) === SLASH ? start + namespace.length + 1 : start;
}

function skipDigits(text: string, start: number): number {
  let at = start;
  for (; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char < DIGIT_0 || char > DIGIT_9) break;
  }
  return at;
}

function readDigits(text: string, start: number, end: number): number {
  let value = 0;
  for (let i = start; i < end; i++) value = value * 10 + (text.charCodeAt(i) - DIGIT_0);
  return value;
}

function readAckId(text: string, start: number, end: number): number {
  const id = end - start > MAX_ACK_ID_DIGITS ? Infinity : readDigits(text, start, end);
  if (id > Number.MAX_SAFE_INTEGER) {
    throw new ProtocolError('invalid_ack_id', 'acknowledgement id too large');
  }
  return id;
}

function hasEventName(args: unknown[], maxLength: number): args is EventArgs {
  const name = args[0];
  if (typeof name === 'string') return name.length <= maxLength && !isReserved(name);
  if (typeof name !== 'number') return false;
  args[0] = String(name);
  return true;
}

/** Names with a meaning of their own on one of the sides; neither must emit them. */
function isReserved(name: string): boolean {
  switch (name.length) {
    case 7:
      return name === 'connect';
    case 10:
      return name === 'disconnect';
    case 11:
      return name === 'newListener';
    case 13:
      return name === 'connect_error' || name === 'disconnecting';
    case 14:
      return name === 'removeListener';
    default:
      return false;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
