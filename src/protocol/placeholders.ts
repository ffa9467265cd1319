/**
 * Binary values inside packet arguments: found, and taken out in exchange for placeholders.
 *
 * Guarantees: the arguments are never changed; what counts as binary is what counts in
 * socket.io-parser (ArrayBuffer and every view on one), except blobs, which cannot be read
 * synchronously; nesting is bounded, so a circular value is an error and not a crash.
 */
import { ProtocolError } from './protocol-error.ts';

/** Nesting of values to encode. Far above any decoding limit, far below the stack's. */
const MAX_ENCODE_DEPTH = 1000;

/** Whether `value` or anything in it is binary. */
export function hasBinary(value: unknown, depth = 0): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (isBinary(value)) return true;
  checkDepth(depth);
  if (Array.isArray(value)) {
    for (const item of value) if (hasBinary(item, depth + 1)) return true;
    return false;
  }
  const plain = toPlain(value);
  if (plain !== value) return hasBinary(plain, depth + 1);
  for (const item of Object.values(value)) if (hasBinary(item, depth + 1)) return true;
  return false;
}

/** A copy of `args` with a placeholder for each binary value, which goes to `attachments`. */
export function takeOutBinary(args: readonly unknown[], attachments: Uint8Array[]): unknown[] {
  return args.map((item) => withoutBinary(item, attachments, 1));
}

function withoutBinary(value: unknown, attachments: Uint8Array[], depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (isBinary(value)) return { _placeholder: true, num: attachments.push(toBytes(value)) - 1 };
  checkDepth(depth);
  if (Array.isArray(value)) {
    return value.map((item) => withoutBinary(item, attachments, depth + 1));
  }
  const plain = toPlain(value);
  if (plain !== value) return withoutBinary(plain, attachments, depth + 1);
  // Without a prototype, `__proto__` is a key like any other.
  const copy: Record<string, unknown> = Object.create(null);
  for (const [key, item] of Object.entries(value)) {
    copy[key] = withoutBinary(item, attachments, depth + 1);
  }
  return copy;
}

/** What JSON would see in the place of `value`. */
function toPlain(value: object): unknown {
  if ('toJSON' in value && typeof value.toJSON === 'function') return value.toJSON();
  // Boxed primitives are written as what they hold.
  if (value instanceof String || value instanceof Number || value instanceof Boolean) {
    return value.valueOf();
  }
  return value;
}

function isBinary(value: object): value is ArrayBuffer | ArrayBufferView {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer;
}

function toBytes(value: ArrayBuffer | ArrayBufferView): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

function checkDepth(depth: number): void {
  if (depth > MAX_ENCODE_DEPTH) throw new ProtocolError('too_deep', 'value nested too deep');
}
