import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ascii, escapeAfter, isAscii, latin1, utf8 } from '../../src/shared/native-text.ts';
import { anyText, BROKEN, heldVariously, longLatin, longText } from '../support/texts.ts';

const bytesOf = (text: string): string =>
  Buffer.from(new TextEncoder().encode(text)).toString('hex');
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

it('is UTF-8, whatever the text and however V8 holds it', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      for (const [, held] of heldVariously(text)) expect(hex(utf8(held))).toBe(bytesOf(text));
    }),
  );
  for (const text of BROKEN) expect(hex(utf8(text))).toBe(bytesOf(text));
});

it('is the same around the size of its buffer, and far beyond', () => {
  for (const unit of ['a', 'é', '漢', '😀']) {
    for (const length of [21_844, 21_845, 21_846, 65_535, 65_536, 65_537]) {
      const text = unit.repeat(length);
      expect(hex(utf8(text))).toBe(bytesOf(text));
    }
  }
  // Longer than that V8 keeps what it is given outside of its heap.
  const outside = Buffer.alloc(1_200_000, 0xe9).toString('latin1');
  expect(hex(utf8(outside))).toBe('c3a9'.repeat(outside.length));
  for (const text of [longText(), longLatin(), '']) expect(hex(utf8(text))).toBe(bytesOf(text));
});

it('is ASCII, or has its bytes in Latin-1', () => {
  expect(isAscii('\0 ~\x7f')).toBe(true);
  expect(isAscii('\x80')).toBe(false);
  expect(latin1('plain')).toBe('plain');
  expect(latin1('é')).toEqual(Buffer.from([0xe9]));
  expect(() => ascii('é')).toThrow(RangeError);
});

it('escapes so that nothing meets that differs, and what begins alike does so still', () => {
  const prefix = ascii('p:');
  fc.assert(
    fc.property(anyText, anyText, (a, b) => {
      expect(isAscii(escapeAfter(prefix, a))).toBe(true);
      expect(escapeAfter(prefix, a) === escapeAfter(prefix, b)).toBe(a === b);
      expect(escapeAfter(escapeAfter(prefix, a), b)).toBe(escapeAfter(prefix, a + b));
    }),
  );
  expect(escapeAfter(prefix, 'é')).not.toBe(escapeAfter(prefix, '\x7f00e9'));
});
