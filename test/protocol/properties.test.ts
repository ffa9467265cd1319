/** What holds for all packets: round-trips, interoperability, typed errors, linear time. */
import * as engine from 'engine.io-parser';
import fc from 'fast-check';
import { Decoder, Encoder, type Packet, PacketType } from 'socket.io-parser';
import { describe, expect, test } from 'vitest';
import { AttachmentCollector } from '../../src/protocol/binary.ts';
import { decodeEnginePacket, type Frame } from '../../src/protocol/engine-packet.ts';
import {
  type AckPacket,
  decodeSocketPacket,
  type EventPacket,
  encodeAck,
  encodeEvent,
  type SocketLimits,
  type SocketPacket,
} from '../../src/protocol/socket-packet.ts';
import { stringifyArgs } from '../../src/protocol/stringify-args.ts';
import { packetOrError } from './outcome.ts';

const LIMITS: SocketLimits = {
  maxAttachments: 1000,
  maxDepth: 64,
  maxNodes: 10_000,
  maxNamespaceLength: 1000,
  maxEventNameLength: 1000,
};

const RESERVED = /^(connect|connect_error|disconnect|disconnecting|newListener|removeListener)$/;
const text = fc.string({ unit: 'binary' });
const eventName = fc
  .oneof(text, fc.constantFrom('new_message', '__proto__', 'constructor', 'error'))
  .filter((name) => !RESERVED.test(name));
const namespace = fc.oneof(
  fc.constant('/'),
  fc.string({ unit: 'grapheme' }).map((s) => `/${s.replaceAll(/[\p{Cc},]/gu, '')}`),
);
/** What JSON gives back as it was, with bytes at any place. */
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 4 },
    { arbitrary: text, weight: 3 },
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (Object.is(n, -0) ? 0 : n)),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 8 }).map((b) => Buffer.from(b)),
    fc.array(tie('any'), { maxLength: 4 }),
    // Stock parsers rebuild objects by assignment, which loses this one key.
    fc.dictionary(
      text.filter((key) => key !== '__proto__' && key !== '_placeholder'),
      tie('any'),
      { maxKeys: 4, noNullPrototype: true },
    ),
  ),
})).any;
const packet = fc.record({
  namespace,
  name: fc.option(eventName, { nil: undefined }),
  rest: fc.array(value, { maxLength: 4 }),
  id: fc.nat(),
  asks: fc.boolean(),
});
type Sent = typeof packet extends fc.Arbitrary<infer T> ? T : never;

/** An event when there is a name, else an acknowledgement; as the decoder should give it. */
function expected({ namespace: ns, name, rest, id, asks }: Sent): EventPacket | AckPacket {
  if (name === undefined) return { type: 'ack', namespace: ns, args: rest, ackId: id };
  return { type: 'event', namespace: ns, args: [name, ...rest], ackId: asks ? id : undefined };
}

function encodeOwn({ namespace: ns, name, rest, id, asks }: Sent): Frame[] {
  if (name === undefined) return encodeAck(ns, rest, id);
  return asks ? encodeEvent(ns, [name, ...rest], id) : encodeEvent(ns, [name, ...rest]);
}

function encodeStock(sent: Sent): Frame[] {
  const { namespace: nsp, name, rest, id, asks } = sent;
  const type = name === undefined ? PacketType.ACK : PacketType.EVENT;
  const data = name === undefined ? rest : [name, ...rest];
  const out: Frame[] = [];
  const stock: Packet = { type, nsp, data };
  if (name === undefined || asks) stock.id = id;
  for (const piece of new Encoder().encode(stock)) {
    engine.encodePacket({ type: 'message', data: piece }, true, (frame) => out.push(frame));
  }
  return out;
}

function decodeOwn(frames: readonly Frame[]): SocketPacket | undefined {
  let collector: AttachmentCollector | undefined;
  for (const frame of frames) {
    if (typeof frame !== 'string') {
      const done = collector?.add(frame);
      if (done !== undefined) return done;
      continue;
    }
    const { data } = decodeEnginePacket(frame);
    if (typeof data !== 'string') throw new Error('not text');
    const decoded = decodeSocketPacket(data, LIMITS);
    if (decoded.type !== 'binary') return decoded;
    collector = new AttachmentCollector(decoded);
  }
  return undefined;
}

function decodeStock(frames: readonly Frame[]): Packet | undefined {
  let decoded: Packet | undefined;
  const decoder = new Decoder({ maxAttachments: 1000 });
  decoder.on('decoded', (p: Packet) => {
    decoded = p;
  });
  for (const frame of frames) decoder.add(engine.decodePacket(frame).data);
  return decoded;
}

describe('packets', () => {
  test('round-trip, binary data included', () => {
    fc.assert(
      fc.property(packet, (sent) => {
        expect(decodeOwn(encodeOwn(sent))).toEqual(expected(sent));
      }),
      { numRuns: 500 },
    );
  });

  test('are written byte for byte as by socket.io-parser', () => {
    fc.assert(
      fc.property(packet, (sent) => {
        expect(encodeOwn(sent)).toEqual(encodeStock(sent));
      }),
      { numRuns: 500 },
    );
  });

  test('of socket.io-parser are understood, and ours by it', () => {
    fc.assert(
      fc.property(packet, (sent) => {
        const want = expected(sent);
        expect(decodeOwn(encodeStock(sent))).toEqual(want);
        const theirs = decodeStock(encodeOwn(sent));
        expect({ nsp: theirs?.nsp, data: theirs?.data, id: theirs?.id }).toEqual({
          nsp: want.namespace,
          data: want.args,
          id: want.ackId,
        });
      }),
      { numRuns: 500 },
    );
  });
});

describe('hostile text', () => {
  const piece = fc.oneof(
    fc.constantFrom(...'0123456[]{},:"-/\\'),
    fc.constantFrom('["x"', '{"_placeholder":true,"num":0}', '"__proto__":', '51-', '/a,', 'null'),
    fc.json(),
    text,
  );
  const hostile = fc
    .tuple(fc.constantFrom('', ...'0123456'), fc.array(piece))
    .map(([type, pieces]) => type + pieces.join(''));

  test('is a packet or a ProtocolError', () => {
    fc.assert(
      fc.property(hostile, (wire) => {
        const decoded = packetOrError(() => decodeSocketPacket(wire, LIMITS));
        if (decoded?.type === 'binary') {
          packetOrError(() => new AttachmentCollector(decoded).add(new Uint8Array(1)));
        }
      }),
      { numRuns: 5000 },
    );
  });

  test('that is a packet is one for socket.io-parser too', () => {
    const stock = new Decoder({ maxAttachments: 1000 });
    fc.assert(
      fc.property(hostile, (wire) => {
        if (packetOrError(() => decodeSocketPacket(wire, LIMITS)) === undefined) return;
        expect(() => stock.add(wire)).not.toThrow();
        stock.destroy();
      }),
      { numRuns: 5000 },
    );
  });
});

describe('JSON text of arguments', () => {
  test('is what JSON.stringify gives, or left to it', () => {
    let taken = 0;
    const anything = fc.array(
      fc.anything({ withDate: true, withMap: true, withBoxedValues: true, withSparseArray: true }),
    );
    fc.assert(
      fc.property(anything, (args) => {
        const fast = stringifyArgs('42', args);
        if (fast === undefined) return;
        taken++;
        expect(fast).toBe(`42${JSON.stringify(args)}`);
      }),
      { numRuns: 2000 },
    );
    expect(taken).toBeGreaterThan(100);
  });
});

describe('time', () => {
  /** Characters. Work that is quadratic in them is 10^12 steps: minutes, not milliseconds. */
  const SIZE = 1_000_000;
  const LIMIT_MS = 1000;

  /** The best of some runs: what the work takes when nothing else is in the way. */
  function millis(work: () => unknown): number {
    let best = Number.POSITIVE_INFINITY;
    for (let run = 0; run < 3; run++) {
      const start = performance.now();
      packetOrError(work);
      best = Math.min(best, performance.now() - start);
    }
    return best;
  }

  test.each<[string, (size: number) => string]>([
    ['open brackets', (n) => `2${'['.repeat(n)}`],
    ['brackets side by side', (n) => `2["x"${',[]'.repeat(n / 3)}]`],
    ['brackets in a text', (n) => `2["x","${'['.repeat(n)}"]`],
    ['backslashes', (n) => `2["x","${'\\'.repeat(n)}"]`],
    ['a text without an end', (n) => `2["${'a'.repeat(n)}`],
    ['an endless namespace', (n) => `2/${'a'.repeat(n)}`],
    ['an endless ack id', (n) => `2${'1'.repeat(n)}["x"]`],
    ['an endless attachment count', (n) => `5${'1'.repeat(n)}-["x"]`],
    ['an endless zero', (n) => `5${'0'.repeat(n)}1-["x"]`],
    ['slashes and commas', (n) => `2${'/,'.repeat(n / 2)}`],
    ['open objects', (n) => `2["x",${'{"a":'.repeat(n / 5)}`],
    ['many placeholders', (n) => `51-["x"${',{"_placeholder":true,"num":0}'.repeat(n / 30)}]`],
  ])('is linear for %s', (_, make) => {
    const wire = make(SIZE);
    const took = millis(() => {
      const decoded = decodeSocketPacket(wire, LIMITS);
      if (decoded.type === 'binary') new AttachmentCollector(decoded);
    });
    expect(took).toBeLessThan(LIMIT_MS);
  });
});
