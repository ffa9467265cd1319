/**
 * Socket.IO v5 packets, encoding: straight to Engine.IO frames, so that a packet is one string
 * from the start (`42[…]`, not `2[…]` with a `4` put before it).
 *
 * Guarantees: arguments are not changed; text frames hold no raw control character, hence no
 * payload separator; lone surrogates are escaped by JSON.
 *
 * Source: Socket.IO protocol, version 5, "Packet encoding".
 */
import type { Frame } from './engine-packet.ts';
import { checkNamespace } from './namespace.ts';
import { hasBinary, takeOutBinary } from './placeholders.ts';
import { stringifyArgs } from './stringify-args.ts';

/** The payload of a CONNECT_ERROR. */
export interface ConnectErrorData {
  message: string;
  data?: unknown;
}

/** The answer to a CONNECT that is let in: `40{"sid":"…"}`, `40/admin,{"sid":"…"}`. */
export function encodeConnect(
  namespace: string,
  data?: Readonly<Record<string, unknown>>,
): [string] {
  const head = `40${prefix(namespace)}`;
  return [data === undefined ? head : head + JSON.stringify(data)];
}

/** The answer to a CONNECT that is refused: `44{"message":"…"}`, `44/admin,{"message":"…","data":…}`. */
export function encodeConnectError(namespace: string, error: ConnectErrorData): [string] {
  return [`44${prefix(namespace)}${JSON.stringify(error)}`];
}

/** A DISCONNECT: `41`, `41/admin,`. */
export function encodeDisconnect(namespace: string): [string] {
  return [`41${prefix(namespace)}`];
}

/**
 * EVENT, or BINARY_EVENT when there is binary data in `args`: the text frame, then one frame for
 * each attachment, to be sent one after another with nothing between. Attachments are the caller's
 * own bytes, not copies.
 *
 * @throws ProtocolError `invalid_namespace`, `too_deep`; TypeError for what JSON cannot say (bigint)
 */
export function encodeEvent(
  namespace: string,
  args: readonly [string, ...unknown[]],
  ackId?: number,
): Frame[] {
  return encodeArgs('42', '45', namespace, args, ackId);
}

/** An ACK, or a BINARY_ACK where there are attachments; otherwise what `encodeEvent` does. */
export function encodeAck(namespace: string, args: readonly unknown[], ackId: number): Frame[] {
  return encodeArgs('43', '46', namespace, args, ackId);
}

/** `42["new_message",<json>]` on `/`, for a payload that is JSON text already. */
export function encodeTextEvent(event: string, json: string): string {
  return `42[${JSON.stringify(event)},${json}]`;
}

/** `43<ackId>[<json>]` on `/`, for a payload that is JSON text already. */
export function encodeTextAck(ackId: number, json: string): string {
  return `43${ackId}[${json}]`;
}

function encodeArgs(
  textHead: string,
  binaryHead: string,
  namespace: string,
  args: readonly unknown[],
  ackId: number | undefined,
): Frame[] {
  const id = ackId === undefined ? '' : String(ackId);
  const text = stringifyArgs(textHead + prefix(namespace) + id, args);
  if (text !== undefined) return [text];
  if (!hasBinary(args)) return [textHead + prefix(namespace) + id + JSON.stringify(args)];
  const attachments: Uint8Array[] = [];
  const json = JSON.stringify(takeOutBinary(args, attachments));
  return [`${binaryHead}${attachments.length}-${prefix(namespace)}${id}${json}`, ...attachments];
}

function prefix(namespace: string): string {
  if (namespace === '/') return '';
  checkNamespace(namespace);
  return `${namespace},`;
}
