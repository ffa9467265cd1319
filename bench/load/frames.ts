/**
 * WebSocket frames (RFC 6455 section 5.2) as a load generator needs them: client frames made with a
 * mask of zeros (legal, and the payload needs no XOR), server frames found without copying.
 */

const TEXT = 0x81;
const BINARY = 0x82;
const MASKED = 0x80;

/** A masked text frame. */
export function textFrame(text: string): Buffer {
  const { frame, from } = emptyFrame(TEXT, Buffer.byteLength(text));
  frame.write(text, from, 'utf8');
  return frame;
}

/** A masked binary frame. */
export function binaryFrame(bytes: Buffer): Buffer {
  const { frame, from } = emptyFrame(BINARY, bytes.length);
  bytes.copy(frame, from);
  return frame;
}

/** A frame whose payload begins at `from`, and is yet to be written. */
function emptyFrame(opcode: number, length: number): { frame: Buffer; from: number } {
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const from = 2 + extended + 4;
  const frame = Buffer.alloc(from + length);
  frame[0] = opcode;
  if (extended === 0) frame[1] = MASKED | length;
  else if (extended === 2) {
    frame[1] = MASKED | 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = MASKED | 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  return { frame, from };
}

/** The pong of all sockets: it is always the same text. */
export const PONG = textFrame('3');

/**
 * Calls `take` with the bounds of each complete server frame's payload in `buffer[0..end)`.
 *
 * @returns how many bytes were consumed; the rest belongs before what comes next
 */
export function eachFrame(
  buffer: Buffer,
  end: number,
  take: (opcode: number, from: number, to: number) => void,
): number {
  let at = 0;
  while (end - at >= 2) {
    let length = (buffer[at + 1] ?? 0) & 0x7f;
    let from = at + 2;
    if (length === 126) {
      if (end - at < 4) break;
      length = buffer.readUInt16BE(at + 2);
      from = at + 4;
    } else if (length === 127) {
      if (end - at < 10) break;
      length = Number(buffer.readBigUInt64BE(at + 2));
      from = at + 10;
    }
    if (end - from < length) break;
    take((buffer[at] ?? 0) & 0x0f, from, from + length);
    at = from + length;
  }
  return at;
}
