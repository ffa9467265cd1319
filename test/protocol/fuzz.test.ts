/**
 * Millions of packets into the decoders: each gives a packet or a ProtocolError, and nothing is kept.
 * FUZZ_DECODES sets how many (default: a share that CI can bear), FUZZ_SEED repeats a run.
 */
import { describe, expect, it } from 'vitest';
import { AttachmentCollector } from '../../src/protocol/binary.ts';
import { decodeEnginePacket, decodePayload } from '../../src/protocol/engine-packet.ts';
import { ProtocolError } from '../../src/protocol/protocol-error.ts';
import { decodeSocketPacket, type SocketLimits } from '../../src/protocol/socket-packet.ts';

const PACKETS = Number(process.env.FUZZ_DECODES ?? 100_000);
const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000_007);
const LIMITS: SocketLimits = {
  maxAttachments: 10,
  maxDepth: 64,
  maxNodes: 10_000,
  maxNamespaceLength: 128,
  maxEventNameLength: 128,
};
// More than garbage not yet collected: in a long run a leak of a few bytes a packet is seen.
const MAX_HEAP_GROWTH_BYTES = 128 * 1024 * 1024;

const GOOD = [
  '42["message",1,{"a":[true,null,"x"]}]',
  '42["send_message",{"conversation_id":"c","content":"Hello, when can we meet?"}]',
  '421["message-with-ack","é€😀"]',
  '452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]',
  '461-5[{"_placeholder":true,"num":0}]',
  '40/custom,{"token":"a"}',
  '41/custom,',
  '42/custom,["message"]',
  '4312[1]',
  '44{"message":"no"}',
  '2probe',
  'bAQIDBA==',
];
const TOKENS = [
  ...'0123456789[]{}",:/-\\b',
  '"_placeholder"',
  '"num"',
  '__proto__',
  'constructor',
  '\x1e',
  '\0',
  '😀',
  '\ud800',
];

/** A small generator that a printed seed repeats (mulberry32). */
function generator(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * limit);
  };
}

function mutated(below: (limit: number) => number): string {
  let text = GOOD[below(GOOD.length)] ?? '';
  for (let i = below(4); i >= 0; i -= 1) {
    const at = below(text.length + 1);
    const end = at + below(5);
    const token = TOKENS[below(TOKENS.length)] ?? '';
    const insert = [token, '', String.fromCharCode(below(0x10000)), text.slice(0, end)];
    text = text.slice(0, at) + (insert[below(4)] ?? '') + text.slice(below(2) === 0 ? at : end);
  }
  return text;
}

/** Everything a server does with the text of a frame; true when it was a packet. */
function decode(text: string): boolean {
  try {
    const packet = decodeEnginePacket(text);
    if (packet.type === 'message' && typeof packet.data === 'string') {
      const decoded = decodeSocketPacket(packet.data, LIMITS);
      if (decoded.type === 'binary') {
        new AttachmentCollector(decoded, { maxBytes: 1_000 }).add(new Uint8Array(3));
      }
    }
    decodePayload(text, { maxPackets: 16 });
    return true;
  } catch (error) {
    if (error instanceof ProtocolError) return false;
    throw new Error(`not a ProtocolError for ${JSON.stringify(text)}`, { cause: error });
  }
}

describe(`${PACKETS} packets, seed ${SEED}`, () => {
  it(
    'each is a packet or a ProtocolError, and the heap stays flat',
    () => {
      const below = generator(SEED);
      let packets = 0;
      for (let n = 0; n < PACKETS / 10; n += 1) packets += Number(decode(mutated(below)));
      const before = process.memoryUsage().heapUsed;
      for (let n = 0; n < PACKETS * 0.9; n += 1) packets += Number(decode(mutated(below)));
      expect(process.memoryUsage().heapUsed - before).toBeLessThan(MAX_HEAP_GROWTH_BYTES);
      // Neither all refused nor all taken: the generator hits both sides of every rule.
      expect(packets / PACKETS).toBeGreaterThan(0.05);
      expect(packets / PACKETS).toBeLessThan(0.95);
      expect({}).not.toHaveProperty('polluted');
      expect(Object.keys(Object.prototype)).toEqual([]);
    },
    Math.max(60_000, PACKETS / 10),
  );
});
