/** Texts that a server could garble: many scripts, and every way in which V8 may hold a string. */
import fc from 'fast-check';

/** A few words of each script; the first fits in one byte a character, the last two need pairs. */
export const SCRIPTS: readonly [script: string, text: string][] = [
  ['Latin', 'Grüße, où est le café? ÿ'],
  ['Latin Extended', 'Zażółć gęślą jaźń'],
  ['Greek', 'Καλημέρα κόσμε'],
  ['Cyrillic', 'Привет, мир'],
  ['Armenian', 'Բարեւ աշխարհ'],
  ['Georgian', 'გამარჯობა'],
  ['Hebrew', 'שלום עולם'],
  ['Arabic', 'مرحبا بالعالم'],
  ['Devanagari', 'नमस्ते दुनिया'],
  ['Bengali', 'ওহে বিশ্ব'],
  ['Tamil', 'வணக்கம் உலகம்'],
  ['Telugu', 'హలో వరల్డ్'],
  ['Sinhala', 'හෙලෝ වර්ල්ඩ්'],
  ['Thai', 'สวัสดีชาวโลก'],
  ['Lao', 'ສະບາຍດີ'],
  ['Myanmar', 'မင်္ဂလာပါ'],
  ['Khmer', 'សួស្តីពិភពលោក'],
  ['Tibetan', 'བཀྲ་ཤིས་བདེ་ལེགས།'],
  ['Ethiopic', 'ሰላም ልዑል'],
  ['Cherokee', 'ᎣᏏᏲ ᎡᎶᎯ'],
  ['Hangul', '안녕하세요 세계'],
  ['Kana', 'こんにちは カタカナ'],
  ['Han', '你好，世界'],
  ['Gothic', '𐌲𐌿𐍄𐌹𐍃𐌺'],
  ['Emoji', '👩‍👩‍👧 👍🏽 🏴󠁧󠁢󠁥󠁮󠁧󠁿'],
];

/** Longer than what is sent in one piece anywhere between a server and its client. */
const LONG_LENGTH = 100_000;

/** The texts of all scripts in one, at least `length` units long. */
export function longText(length = LONG_LENGTH): string {
  const all = SCRIPTS.map(([, text]) => text).join(' ');
  return all.repeat(Math.ceil(length / all.length));
}

/** Of one byte a character in V8, and not ASCII. */
export const longLatin = (length = LONG_LENGTH): string => 'é'.repeat(length);

/**
 * The same text as V8 may hold it: native code sees the difference. Parts of at least 13 characters
 * are ropes and slices; shorter ones are copied.
 */
export function heldVariously(text: string): readonly [how: string, text: string][] {
  const half = text.length >> 1;
  return [
    ['flat', Buffer.from(text, 'utf16le').toString('utf16le')],
    ['as a rope', text.slice(0, half) + text.slice(half)],
    ['as a slice', `before the text ${text} after the text`.slice(16, 16 + text.length)],
    ['as two bytes a character', `漢字 before it ${text}`.slice(13)],
  ];
}

const latin = fc.string({
  unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)),
  maxLength: 200,
});

/** Any text that UTF-8 can say. */
export const anyText = fc.oneof(
  latin,
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.string({ unit: 'grapheme', maxLength: 100 }),
  fc.constantFrom(...SCRIPTS.map(([, text]) => text)),
);

/** Strings that are no text: half a pair, which is U+FFFD on the wire. */
export const BROKEN: readonly string[] = ['\ud800', 'a\udc00b', 'é\ud83d', '\udc00\ud800'];
