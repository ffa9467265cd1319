/**
 * Engine.IO v4 packets and polling payloads: text on one side, typed packets on the other.
 *
 * Guarantees: linear time; any string gives packets or a `ProtocolError`; what one side encodes
 * the other decodes to the same. Pure: no I/O.
 *
 * Source: Engine.IO protocol, version 4, "Packet encoding".
 */
import { ProtocolError } from './protocol-error.ts';

export type EnginePacketType = 'open' | 'close' | 'ping' | 'pong' | 'message' | 'upgrade' | 'noop';

/** A packet; `data` is `''` when the packet has none. Binary data comes in messages only. */
export type EnginePacket =
  | { type: EnginePacketType; data: string }
  | { type: 'message'; data: Uint8Array };

/** What one WebSocket frame carries: an encoded packet as text, or the bytes of a message. */
export type Frame = string | Uint8Array;

/** Indexed by the digit on the wire. */
const TYPES: readonly EnginePacketType[] = [
  'open',
  'close',
  'ping',
  'pong',
  'message',
  'upgrade',
  'noop',
];

const DIGITS: Readonly<Record<EnginePacketType, string>> = {
  open: '0',
  close: '1',
  ping: '2',
  pong: '3',
  message: '4',
  upgrade: '5',
  noop: '6',
};

/** Between the packets of a payload. JSON text never holds it: it is escaped there. */
const SEPARATOR = '\x1e';

const DIGIT_0 = 0x30;
const LETTER_B = 0x62;

/**
 * Decodes one packet: a WebSocket text frame, or one packet of a polling payload.
 * `b` followed by padded standard base64 is a binary message.
 *
 * @throws ProtocolError `invalid_packet_type`, or `invalid_payload` for bad base64
 */
export function decodeEnginePacket(frame: string): EnginePacket {
  const first = frame.charCodeAt(0); // NaN for the empty packet
  const type = TYPES[first - DIGIT_0];
  if (type !== undefined) return { type, data: frame.substring(1) };
  if (first === LETTER_B) return { type: 'message', data: decodeBase64(frame.substring(1)) };
  throw new ProtocolError('invalid_packet_type', 'not an Engine.IO packet');
}

/** Encodes a text packet: `4hello`, `2`, `3probe`. The caller keeps `\x1e` out of `data`. */
export function encodeEnginePacket(type: EnginePacketType, data = ''): string {
  return DIGITS[type] + data;
}

/**
 * Decodes the body of a polling POST.
 *
 * @throws ProtocolError `invalid_packet_type` for an empty body or packet, `too_many_packets`, and
 *   what `decodeEnginePacket` throws: all packets are good, or none is returned
 */
export function decodePayload(body: string, limits: { maxPackets: number }): EnginePacket[] {
  const packets: EnginePacket[] = [];
  let start = 0;
  while (true) {
    if (packets.length >= limits.maxPackets) {
      throw new ProtocolError('too_many_packets', 'too many packets in one payload');
    }
    const end = body.indexOf(SEPARATOR, start);
    if (end === -1) {
      packets.push(decodeEnginePacket(start === 0 ? body : body.substring(start)));
      return packets;
    }
    packets.push(decodeEnginePacket(body.substring(start, end)));
    start = end + 1;
  }
}

/** Joins frames into the body of a polling response; binary ones become `b<base64>`. */
export function encodePayload(frames: readonly Frame[]): string {
  let body = '';
  for (let i = 0; i < frames.length; i++) {
    const frame = frames[i];
    if (frame === undefined) continue;
    if (i > 0) body += SEPARATOR;
    body += typeof frame === 'string' ? frame : `b${viewBytes(frame).toString('base64')}`;
  }
  return body;
}

/**
 * The bytes (UTF-8) that `frame` takes in a polling payload, without a separator. A payload of n
 * frames is the sum of their sizes plus n - 1.
 */
export function payloadSize(frame: Frame): number {
  if (typeof frame === 'string') return Buffer.byteLength(frame, 'utf8');
  return 1 + 4 * Math.ceil(frame.byteLength / 3);
}

function decodeBase64(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64');
  // Node skips what is not base64. Only the canonical spelling comes back as it was, which rules
  // out foreign characters, missing padding and stray bits at once, in linear time.
  if (bytes.toString('base64') !== text) {
    throw new ProtocolError('invalid_payload', 'binary packet is not base64');
  }
  return bytes;
}

function viewBytes(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
