/**
 * The codecs beside engine.io-parser + socket.io-parser: the same packets, both layers, in one
 * process, in alternating rounds; ratios of medians first.
 *
 * decode: from the text of a WebSocket frame to the event's arguments.
 *   Both sides parse the payload with `JSON.parse`; what that alone takes is shown as the bound.
 * encode: from arguments to that text.
 * encode and write: from arguments to that text as UTF-8 bytes. Both sides put the text together
 * from pieces, which the engine copies into one only when a transport reads it; that is in here.
 *
 * Run: `npx tsx bench/programs/codec.ts [--quick]`. With `--quick` it takes a moment, and its figures mean
 * nothing; the check that both sides give the same result is always made.
 */
import { deepStrictEqual } from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import * as engine from 'engine.io-parser';
import { Decoder, Encoder, type Packet, PacketType } from 'socket.io-parser';
import { decodeEnginePacket } from '../../src/protocol/engine-packet.ts';
import {
  decodeSocketPacket,
  encodeAck,
  encodeEvent,
  type SocketLimits,
  type SocketPacket,
} from '../../src/protocol/socket-packet.ts';

const quick = process.argv.includes('--quick');
/** Different packets of each kind, so that no side profits from seeing one text again. */
const VARIANTS = quick ? 8 : 256;
/** Passes over all variants in one timed round. */
const PASSES = quick ? 2 : 40;
const ROUNDS = quick ? 3 : 41;

const LIMITS: SocketLimits = {
  maxAttachments: 10,
  maxDepth: 256,
  maxNodes: 10_000,
  maxNamespaceLength: 128,
  maxEventNameLength: 128,
};

type Sample = { kind: 'event'; args: [string, ...unknown[]]; id: number | undefined } | AckSample;
type AckSample = { kind: 'ack'; args: unknown[]; id: number };
type Case = { name: string; samples: Sample[] };

function message(seq: number) {
  return {
    id: randomUUID(),
    conversation_id: randomUUID(),
    seq,
    sender_id: randomUUID(),
    sender_name: 'Alice',
    content: 'Hello, when can we meet?',
    message_type: 'text',
    media_url: null,
    client_message_id: randomUUID(),
    status: 'sent',
    created_at: new Date(1_736_510_400_000 + seq * 1000).toISOString(),
  };
}

function samples(make: (i: number) => Sample): Sample[] {
  // Through JSON once, so that the objects have the shapes that parsed ones have.
  return Array.from({ length: VARIANTS }, (_, i) => {
    const sample = make(i);
    return { ...sample, args: JSON.parse(JSON.stringify(sample.args)) };
  });
}

function eventCase(args: (i: number) => [string, unknown], acked: boolean): Case {
  const name = `${args(0)[0]}${acked ? ' (ack asked)' : ''}`;
  return {
    name,
    samples: samples((i) => ({ kind: 'event', args: args(i), id: acked ? i : undefined })),
  };
}

/** What a chat client sends. */
const inbound: Case[] = [
  eventCase(() => ['join_conversation', { conversation_id: randomUUID() }], true),
  eventCase(() => ['typing_start', { conversation_id: randomUUID() }], false),
  eventCase(
    (i) => [
      'send_message',
      {
        conversation_id: randomUUID(),
        content: `Hello, when can we meet? ${i}`,
        client_message_id: randomUUID(),
      },
    ],
    true,
  ),
  eventCase(() => ['typing_stop', { conversation_id: randomUUID() }], false),
  eventCase(
    (i) => ['message_delivered', { conversation_id: randomUUID(), up_to_seq: 1000 + i }],
    false,
  ),
  eventCase((i) => ['mark_read', { conversation_id: randomUUID(), up_to_seq: 1000 + i }], true),
];

/** What the server sends. */
const outbound: Case[] = [
  {
    name: 'ack of join_conversation',
    samples: samples((i) => ({
      kind: 'ack',
      id: i,
      args: [
        {
          success: true,
          data: { conversation_id: randomUUID(), last_seq: i, last_read_seq: i, unread_count: 0 },
        },
      ],
    })),
  },
  {
    name: 'ack of send_message',
    samples: samples((i) => ({
      kind: 'ack',
      id: i,
      args: [{ success: true, data: message(i) }],
    })),
  },
  eventCase((i) => ['new_message', message(i)], false),
  eventCase(
    () => [
      'user_typing',
      { conversation_id: randomUUID(), user_id: randomUUID(), user_name: 'Alice' },
    ],
    false,
  ),
  eventCase(
    (i) => [
      'messages_read',
      { conversation_id: randomUUID(), user_id: randomUUID(), last_read_seq: 1000 + i },
    ],
    false,
  ),
];

/** Keeps results alive, so that no work can be optimized away. */
const sink: { value: unknown } = { value: undefined };
const wire = Buffer.allocUnsafe(65_536);

const stockDecoder = new Decoder();
stockDecoder.on('decoded', (packet: Packet) => {
  sink.value = packet;
});
const stockEncoder = new Encoder();

const keep = (frame: string) => {
  sink.value = frame;
};
const write = (frame: string) => {
  sink.value = wire.write(frame, 0, 'utf8');
};

function stockDecode(frame: string): void {
  stockDecoder.add(engine.decodePacket(frame).data);
}

/**
 * A message frame is read where it is, without being cut first. (The server gets the same from its
 * bytes: it makes text of them from behind the `4`.)
 */
function ownDecode(frame: string): void {
  if (frame.charCodeAt(0) === 0x34) {
    sink.value = decodeSocketPacket(frame, LIMITS, 1);
    return;
  }
  const packet = decodeEnginePacket(frame);
  if (typeof packet.data === 'string') sink.value = decodeSocketPacket(packet.data, LIMITS);
}

function onlyParse(frame: string): void {
  sink.value = JSON.parse(frame.substring(frame.indexOf('[')));
}

function stockEncode(sample: Sample, take: (frame: string) => void): void {
  const type = sample.kind === 'event' ? PacketType.EVENT : PacketType.ACK;
  // The packet object is what socket.io itself makes for each emit.
  const packet: Packet = { type, data: sample.args, nsp: '/' };
  if (sample.id !== undefined) packet.id = sample.id;
  for (const data of stockEncoder.encode(packet)) {
    engine.encodePacket({ type: 'message', data }, true, take);
  }
}

function ownEncode(sample: Sample, take: (frame: string) => void): void {
  const frames =
    sample.kind === 'event'
      ? encodeEvent('/', sample.args, sample.id)
      : encodeAck('/', sample.args, sample.id);
  for (const frame of frames) {
    if (typeof frame === 'string') take(frame);
  }
}

/** The wire text of a sample, as the stock parsers write it. */
function stockText(sample: Sample): string {
  stockEncode(sample, write);
  // From bytes, as frames come: one flat string, not the pieces it was made of.
  return wire.toString('utf8', 0, Number(sink.value));
}

function check(sample: Sample): void {
  const text = stockText(sample);
  ownEncode(sample, write);
  deepStrictEqual(wire.toString('utf8', 0, Number(sink.value)), text);

  stockDecode(text);
  const stock = sink.value;
  ownDecode(text);
  const own = sink.value;
  deepStrictEqual(argsOf(own), sample.args);
  deepStrictEqual(argsOf(stock), sample.args);
}

function argsOf(packet: unknown): unknown {
  if (typeof packet !== 'object' || packet === null) return undefined;
  if ('args' in packet) return (packet as Extract<SocketPacket, { type: 'event' }>).args;
  return 'data' in packet ? packet.data : undefined;
}

/** Nanoseconds of CPU for each item: unlike the clock, it leaves out what other processes take. */
function time<T>(items: readonly T[], work: (item: T) => void): number {
  const start = process.cpuUsage();
  for (let pass = 0; pass < PASSES; pass++) for (const item of items) work(item);
  const { user, system } = process.cpuUsage(start);
  return ((user + system) * 1000) / (PASSES * items.length);
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

type Result = { name: string; own: number; stock: number };

function compare<T>(
  cases: readonly { name: string; items: readonly T[] }[],
  own: (item: T) => void,
  stock: (item: T) => void,
): Result[] {
  const times = cases.map((c) => ({ ...c, own: [] as number[], stock: [] as number[] }));
  for (let round = 0; round < ROUNDS; round++) {
    for (const c of times) {
      // Who goes first alternates too: the second finds the data in the cache.
      if (round % 2 === 0) c.own.push(time(c.items, own));
      c.stock.push(time(c.items, stock));
      if (round % 2 === 1) c.own.push(time(c.items, own));
    }
  }
  return times.map((c) => ({ name: c.name, own: median(c.own), stock: median(c.stock) }));
}

function report(title: string, results: readonly Result[]): void {
  const own = results.reduce((sum, r) => sum + r.own, 0);
  const stock = results.reduce((sum, r) => sum + r.stock, 0);
  console.log(`${title}  ${(stock / own).toFixed(2)}x the stock parsers (all kinds once each)`);
  for (const r of results) {
    const ratio = `${(r.stock / r.own).toFixed(2)}x`;
    console.log(
      `  ${ratio.padStart(6)}  ${r.name.padEnd(32)} own ${r.own.toFixed(0).padStart(5)} ns` +
        `  stock ${r.stock.toFixed(0).padStart(5)} ns`,
    );
  }
}

for (const c of [...inbound, ...outbound]) for (const sample of c.samples) check(sample);

const frames = inbound.map((c) => ({ name: c.name, items: c.samples.map(stockText) }));
report('decode', compare(frames, ownDecode, stockDecode));
report('decode, were it only JSON.parse', compare(frames, onlyParse, stockDecode));
for (const [title, take] of [
  ['encode', keep],
  ['encode and write', write],
] as const) {
  report(
    title,
    compare(
      outbound.map((c) => ({ name: c.name, items: c.samples })),
      (sample) => ownEncode(sample, take),
      (sample) => stockEncode(sample, take),
    ),
  );
}
console.log(
  `correct: both sides agreed on ${(inbound.length + outbound.length) * VARIANTS} packets`,
);
