/** Text of responses as the bytes uWebSockets.js takes. */

// One buffer serves all: uWebSockets.js copies or sends what it is given before it returns.
const scratch = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * UTF-8 bytes to hand to uWebSockets.js at once; they are overwritten by the next call. Cheaper
 * than giving it the string, for which it allocates; a text too long for the buffer stays one.
 */
export function toBytes(text: string): string | Uint8Array {
  if (text.length * 3 > scratch.length) return text; // UTF-8 takes up to three bytes a unit.
  return scratch.subarray(0, scratch.write(text, 0, 'utf8'));
}
