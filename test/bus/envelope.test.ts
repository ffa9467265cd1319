import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeEnvelope, type Envelope, encodeEnvelope } from '../../src/bus/envelope.ts';
import { foldId } from '../../src/shared/ids.ts';

const epoch = 'fb9a028981395d3c';
const limits = { maxBytes: 1_000_000, epoch };
const user = foldId('3f2b6a1c-9d1e-4c57-8a53-0c4e6f0b9a11');

const frames = fc.uint8Array({ maxLength: 200 });
const uuids = fc.uuid().map(foldId);
const versions = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const envelopes: fc.Arbitrary<Envelope> = fc.oneof(
  fc.record({
    kind: fc.constant('message' as const),
    seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    id: uuids,
    membersVersion: versions,
    frame: frames,
  }),
  fc.record({ kind: fc.constant('event' as const), frame: frames }),
  fc.record({ kind: fc.constant('event' as const), frame: frames, exceptUser: uuids }),
  fc.record({
    kind: fc.constant('cursor' as const),
    cursor: fc.constantFrom('read' as const, 'delivered' as const),
    userId: uuids,
    seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    frame: frames,
  }),
  fc.record({
    kind: fc.constant('membership' as const),
    action: fc.constantFrom('added' as const, 'removed' as const),
    userId: uuids,
    membersVersion: versions,
    frame: frames,
  }),
  fc.record({
    kind: fc.constant('news' as const),
    conversationId: uuids,
    membersVersion: versions,
    frame: frames,
  }),
  fc.record({
    kind: fc.constant('control' as const),
    action: fc.constant('disconnect_user' as const),
    userId: uuids,
  }),
);

/** Plain arrays, so that a Buffer and a Uint8Array of the same bytes are equal. */
function plain(envelope: Envelope): unknown {
  return 'frame' in envelope ? { ...envelope, frame: [...envelope.frame] } : envelope;
}

function decodeText(text: string) {
  return decodeEnvelope(Buffer.from(text, 'latin1'), limits);
}

describe('an envelope', () => {
  test('comes back as it went', () => {
    fc.assert(
      fc.property(envelopes, (envelope) => {
        const decoded = decodeEnvelope(encodeEnvelope(envelope, epoch), limits);
        if (!decoded.ok) throw new Error(decoded.fault);
        expect(plain(decoded.envelope)).toEqual(plain(envelope));
      }),
      { numRuns: 1000 },
    );
  });

  test('is one header line and the frame, byte for byte', () => {
    const frame = Buffer.from('42["new_message",{}]\n');
    const message = { kind: 'message', seq: 17, id: user, membersVersion: 3, frame } as const;
    expect(Buffer.from(encodeEnvelope(message, epoch)).toString()).toBe(
      `2 ${epoch} m 17 3 ${user}\n42["new_message",{}]\n`,
    );
  });

  test('may lie anywhere in a larger buffer, and its frame is a view, not a copy', () => {
    const bytes = encodeEnvelope({ kind: 'event', frame: Buffer.from('frame') }, epoch);
    const larger = new Uint8Array(bytes.byteLength + 20);
    larger.set(bytes, 7);
    const decoded = decodeEnvelope(larger.subarray(7, 7 + bytes.byteLength), limits);
    if (!decoded.ok || decoded.envelope.kind !== 'event') throw new Error('not an event');
    expect(Buffer.from(decoded.envelope.frame).toString()).toBe('frame');
    expect(decoded.envelope.frame.buffer).toBe(larger.buffer);
  });
});

describe('garbage is a fault, never an exception', () => {
  test('any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const decoded = decodeEnvelope(bytes, limits);
        if (decoded.ok) expect(bytes[0]).toBe(0x32);
      }),
      { numRuns: 2000 },
    );
  });

  test('any envelope with any one byte changed is a fault or has valid fields', () => {
    fc.assert(
      fc.property(envelopes, fc.nat(), fc.integer({ min: 0, max: 255 }), (envelope, at, byte) => {
        const bytes = encodeEnvelope(envelope, epoch);
        bytes[at % bytes.byteLength] = byte;
        const decoded = decodeEnvelope(bytes, limits);
        // Whatever was let through is something the encoder agrees to and spells the same.
        if (decoded.ok) expect([...encodeEnvelope(decoded.envelope, epoch)]).toEqual([...bytes]);
      }),
      { numRuns: 2000 },
    );
  });

  test('an envelope cut short within its header', () => {
    fc.assert(
      fc.property(envelopes, fc.nat(), (envelope, at) => {
        const bytes = encodeEnvelope(envelope, epoch);
        const cut = bytes.subarray(0, at % (bytes.indexOf(0x0a) + 1));
        expect(decodeEnvelope(cut, limits)).toEqual({ ok: false, fault: 'no_header' });
      }),
    );
  });

  test.each([
    ['', 'no_header'],
    [`2 ${epoch} m 1 1 ${user}`, 'no_header'],
    [`2 ${epoch} m 1 ${'1'.repeat(200)}\n`, 'no_header'],
    ['1 m 1 1\n', 'version'],
    ['22 m 1 1\n', 'version'],
    [' 2 m 1 1\n', 'version'],
    ['\n', 'version'],
    ['2 \n', 'epoch'],
    ['2 m 1 1\n', 'epoch'],
    [`2 ${epoch}0 m 1 1 ${user}\n`, 'epoch'],
    [`2 ${epoch}\n`, 'kind'],
    [`2 ${epoch} x 1 1\n`, 'kind'],
    [`2 ${epoch} __proto__ 1 1\n`, 'kind'],
    [`2 ${epoch} m\n`, 'fields'],
    [`2 ${epoch} m 1\n`, 'fields'],
    [`2 ${epoch} m 1 1 1\n`, 'fields'],
    [`2 ${epoch} m 0 1 ${user}\n`, 'fields'],
    [`2 ${epoch} m -1 1 ${user}\n`, 'fields'],
    [`2 ${epoch} m 01 1 ${user}\n`, 'fields'],
    [`2 ${epoch} m 1.5 1 ${user}\n`, 'fields'],
    [`2 ${epoch} m 1e3 1 ${user}\n`, 'fields'],
    [`2 ${epoch} m 0x1 1 ${user}\n`, 'fields'],
    [`2 ${epoch} m NaN 1 ${user}\n`, 'fields'],
    [`2 ${epoch} m 9007199254740992 1 ${user}\n`, 'fields'],
    [`2 ${epoch} m 1 -1 ${user}\n`, 'fields'],
    [`2 ${epoch} m 1 1 ${user}\r\n`, 'fields'],
    [`2 ${epoch} e\n`, 'fields'],
    [`2 ${epoch} e nobody\n`, 'fields'],
    [`2 ${epoch} e ${user}0\n`, 'fields'],
    [`2 ${epoch} c r ${user} 0\n`, 'fields'],
    [`2 ${epoch} c x ${user} 1\n`, 'fields'],
    [`2 ${epoch} c r - 1\n`, 'fields'],
    [`2 ${epoch} c r ${user}\n`, 'fields'],
    [`2 ${epoch} c r ${user} 1 1\n`, 'fields'],
    [`2 ${epoch} a ${user}\n`, 'fields'],
    [`2 ${epoch} r ${user} x\n`, 'fields'],
    [`2 ${epoch} a - 1\n`, 'fields'],
    [`2 ${epoch} d\n`, 'fields'],
    [`2 ${epoch} d -\n`, 'fields'],
    [`2 ${epoch} d ${user} 1\n`, 'fields'],
    [`2 ${epoch} d ${user}\nframe`, 'fields'],
    [`2 ${epoch} m 1 1 nobody\n`, 'fields'],
    [`2 ${epoch} m 1 1\n`, 'fields'],
  ])('%j is %s', (text, fault) => {
    expect(decodeText(text)).toEqual({ ok: false, fault });
  });

  test('an envelope over maxBytes', () => {
    const bytes = encodeEnvelope({ kind: 'event', frame: new Uint8Array(100) }, epoch);
    expect(decodeEnvelope(bytes, { ...limits, maxBytes: bytes.byteLength }).ok).toBe(true);
    expect(decodeEnvelope(bytes, { ...limits, maxBytes: bytes.byteLength - 1 })).toEqual({
      ok: false,
      fault: 'too_large',
    });
  });
});

describe('what could not be decoded is not encoded', () => {
  const frame = new Uint8Array(0);
  test.each<[string, Envelope]>([
    ['seq 0', { kind: 'message', seq: 0, id: user, membersVersion: 0, frame }],
    ['a fraction', { kind: 'message', seq: 1.5, id: user, membersVersion: 0, frame }],
    ['NaN', { kind: 'message', seq: Number.NaN, id: user, membersVersion: 0, frame }],
    ['a negative version', { kind: 'message', seq: 1, id: user, membersVersion: -1, frame }],
  ])('%s', (_what, envelope) => {
    expect(() => encodeEnvelope(envelope, epoch)).toThrow(TypeError);
  });
  test.each(['', 'two words', `${'e'.repeat(65)}`])('the epoch %j', (wrong) => {
    expect(() => encodeEnvelope({ kind: 'event', frame }, wrong)).toThrow(TypeError);
  });
});
