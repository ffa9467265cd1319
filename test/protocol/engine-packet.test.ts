import * as stock from 'engine.io-parser';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeEnginePacket,
  decodePayload,
  type EnginePacketType,
  encodeEnginePacket,
  encodePayload,
  type Frame,
  payloadSize,
} from '../../src/protocol/engine-packet.ts';
import { codeOf, packetOrError } from './outcome.ts';

const LIMITS = { maxPackets: 16 };
const bytes = (...values: number[]) => new Uint8Array(values);
const plain = (frame: Frame) => (typeof frame === 'string' ? frame : Array.from(frame));

describe('Engine.IO packet', () => {
  test.each<[string, EnginePacketType, string]>([
    ['0{"sid":"x"}', 'open', '{"sid":"x"}'],
    ['1', 'close', ''],
    ['2', 'ping', ''],
    ['2probe', 'ping', 'probe'],
    ['3', 'pong', ''],
    ['3probe', 'pong', 'probe'],
    ['4', 'message', ''],
    ['4hello', 'message', 'hello'],
    ['4€', 'message', '€'],
    ['4\ud800', 'message', '\ud800'],
    ['5', 'upgrade', ''],
    ['6', 'noop', ''],
  ])('%j is a packet, and is what encoding it gives', (wire, type, data) => {
    expect(decodeEnginePacket(wire)).toEqual({ type, data });
    expect(encodeEnginePacket(type, data)).toBe(wire);
  });

  test.each<[string, number[]]>([
    ['bAQIDBA==', [1, 2, 3, 4]],
    ['bAQID', [1, 2, 3]],
    ['b+/+/', [0xfb, 0xff, 0xbf]],
    ['b', []],
  ])('%j is a binary message', (wire, expected) => {
    const packet = decodeEnginePacket(wire);
    expect(packet.type).toBe('message');
    expect(packet.data).toBeInstanceOf(Uint8Array);
    expect(packet.data).toEqual(Buffer.from(expected));
  });

  test.each([
    ['the empty packet', '', 'invalid_packet_type'],
    ['an unknown type', '7', 'invalid_packet_type'],
    ['a letter', 'abc', 'invalid_packet_type'],
    ['a leading space', ' 4', 'invalid_packet_type'],
    ['an upper case binary prefix', 'BAQID', 'invalid_packet_type'],
    ['a digit of another script', '٤x', 'invalid_packet_type'],
    ['a key of Object.prototype', '__proto__', 'invalid_packet_type'],
    ['base64 without padding', 'bAQIDBA', 'invalid_payload'],
    ['base64 with too much padding', 'bAQID====', 'invalid_payload'],
    ['base64 with padding inside', 'bAQ==AQID', 'invalid_payload'],
    ['base64 with a space', 'bAQ ID', 'invalid_payload'],
    ['base64 in the URL alphabet', 'b-_-_', 'invalid_payload'],
    ['base64 with stray bits', 'bAQIDBB==', 'invalid_payload'],
    ['base64 with a character whose low byte is base64', 'b\u0141QID', 'invalid_payload'],
  ])('%s is refused', (_, wire, code) => {
    expect(codeOf(() => decodeEnginePacket(wire))).toBe(code);
  });
});

describe('Engine.IO payload', () => {
  test('packets are separated by \\x1e, binary ones are base64', () => {
    expect(decodePayload('4hello\x1e2\x1e4world', LIMITS)).toEqual([
      { type: 'message', data: 'hello' },
      { type: 'ping', data: '' },
      { type: 'message', data: 'world' },
    ]);
    expect(encodePayload(['4hello', bytes(1, 2, 3, 4)])).toBe('4hello\x1ebAQIDBA==');
    expect(encodePayload([])).toBe('');
  });

  test('a view into a larger buffer is encoded without its surroundings', () => {
    expect(encodePayload([bytes(9, 1, 2, 3, 9).subarray(1, 4)])).toBe('bAQID');
  });

  test.each([
    ['an empty body', ''],
    ['an empty packet first', '\x1e4x'],
    ['an empty packet last', '4x\x1e'],
    ['an empty packet between', '4x\x1e\x1e4x'],
    ['only separators', '\x1e\x1e'],
    ['an unknown type after a good packet', '4x\x1eabc'],
  ])('%s is refused', (_, body) => {
    expect(codeOf(() => decodePayload(body, LIMITS))).toBe('invalid_packet_type');
  });

  test('as many packets as the limit are taken, one more is refused', () => {
    const body = (n: number) => Array(n).fill('2').join('\x1e');
    expect(decodePayload(body(16), LIMITS)).toHaveLength(16);
    expect(codeOf(() => decodePayload(body(17), LIMITS))).toBe('too_many_packets');
  });

  test('a million packets are refused without being decoded', () => {
    expect(codeOf(() => decodePayload('2\x1e'.repeat(1_000_000), LIMITS))).toBe('too_many_packets');
  });
});

const text = fc.string({ unit: 'binary' });
/** Text that can stand in a payload: the separator has no escape in Engine.IO. */
const payloadText = text.filter((s) => !s.includes('\x1e'));
const types: EnginePacketType[] = ['open', 'close', 'ping', 'pong', 'message', 'upgrade', 'noop'];
const frames = fc.array(
  fc.oneof(
    payloadText.map((s): Frame => `4${s}`),
    fc.uint8Array().map((b): Frame => b),
  ),
  { minLength: 1, maxLength: 16 },
);

describe('properties', () => {
  test('packets round-trip, and read the same in engine.io-parser', () => {
    fc.assert(
      fc.property(fc.constantFrom(...types), text, (type, data) => {
        const wire = encodeEnginePacket(type, data);
        expect(decodeEnginePacket(wire)).toEqual({ type, data });
        const other = stock.decodePacket(wire);
        expect({ type: other.type, data: other.data ?? '' }).toEqual({ type, data });
      }),
    );
  });

  test('payloads round-trip and have the size that was announced', () => {
    fc.assert(
      fc.property(frames, (sent) => {
        const body = encodePayload(sent);
        const got = decodePayload(body, LIMITS).map((p) =>
          typeof p.data === 'string' ? `4${p.data}` : p.data,
        );
        expect(got.map(plain)).toEqual(sent.map(plain));
        const size = sent.reduce((sum, frame) => sum + payloadSize(frame), sent.length - 1);
        expect(Buffer.byteLength(body)).toBe(size);
      }),
    );
  });

  test('engine.io-parser writes the same payload and reads ours', () => {
    fc.assert(
      fc.property(frames, (sent) => {
        const body = encodePayload(sent);
        const packets = sent.map((frame) => ({
          type: 'message' as const,
          data: typeof frame === 'string' ? frame.slice(1) : Buffer.from(frame),
        }));
        stock.encodePayload(packets, (encoded) => expect(encoded).toBe(body));
        const read = stock.decodePayload(body).map((p) => p.data ?? '');
        expect(read.map((d) => plain(d))).toEqual(packets.map((p) => plain(p.data)));
      }),
    );
  });

  test('any text is a packet or a ProtocolError', () => {
    const hostile = fc.oneof(
      text,
      text.map((s) => `b${s}`),
      fc.base64String().map((s) => `b${s}`),
      fc.array(fc.oneof(text, fc.constant('\x1e'), fc.constant('b'))).map((a) => a.join('')),
    );
    fc.assert(
      fc.property(hostile, (wire) => {
        packetOrError(() => decodeEnginePacket(wire));
        packetOrError(() => decodePayload(wire, LIMITS));
      }),
      { numRuns: 1000 },
    );
  });
});
