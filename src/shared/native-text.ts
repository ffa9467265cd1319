/**
 * Where text becomes what native code takes: the only place that may do it (`test/tidy`), and
 * the types of `realtime/uws.ts` take nothing else.
 *
 * uWebSockets.js takes strings, but what it makes of one depends on its binary and on how V8 holds the
 * string: that for Node 22 and later writes a string of one byte a character as those bytes (`é` as
 * 0xE9, which is no UTF-8), and each writes half a surrogate pair as three bytes that are no UTF-8. A
 * WebSocket client closes at the first such byte. So native code is given bytes, or what is the same
 * bytes for every binary: ASCII.
 */

declare const known: unique symbol;

/** Text known to be ASCII. */
export type Ascii = string & { readonly [known]: 'ascii' };

/** The two kinds of value that native code may be given. */
export type NativeText = Uint8Array | Ascii;

/** UTF-8 takes up to three bytes for a unit of a string. */
const BYTES_A_UNIT = 3;
const beyondAscii = /[^\0-\x7f]/;
/** The characters that `escapeAfter` does not leave as they are; its own mark is one. */
const escaped = /[^\0-\x7e]/g;

// One buffer serves all: native code copies or sends what it is given before it returns.
const scratch = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * The UTF-8 of `text`, for one native call: the bytes are overwritten by the next `utf8`. Half a pair
 * becomes U+FFFD. No dearer than handing over the string, for which the library allocates; looking
 * first whether it is ASCII would be.
 */
export function utf8(text: string): Uint8Array {
  if (text.length * BYTES_A_UNIT > scratch.length) return Buffer.from(text, 'utf8');
  return new Uint8Array(scratch.buffer, 0, scratch.write(text, 0, 'utf8'));
}

/** The bytes of `text`, one for each character up to U+00FF, as header fields have them. */
export function latin1(text: string): NativeText {
  return isAscii(text) ? text : Buffer.from(text, 'latin1');
}

/** Whether every character of `text` is below U+0080. */
export function isAscii(text: string): text is Ascii {
  return !beyondAscii.test(text);
}

/**
 * ASCII that stands for `text` after `prefix`: what differs stays different, and what begins alike
 * does so still.
 */
export function escapeAfter(prefix: Ascii, text: string): Ascii {
  const whole: string = prefix + text.replace(escaped, escapeUnit);
  return whole as Ascii;
}

function escapeUnit(unit: string): string {
  return `\x7f${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/**
 * Takes a text known to be ASCII as such: for constants, and for what is checked once.
 *
 * @throws RangeError when there is any other character in it
 */
export function ascii(text: string): Ascii {
  if (isAscii(text)) return text;
  throw new RangeError(`Not ASCII: ${JSON.stringify(text)}`);
}
