/** Identifiers: what counts as one, and how new ones are made. */
import { randomBytes } from 'node:crypto';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether `value` is a UUID in the canonical 8-4-4-4-12 form, any version, either case. */
export function isUuid(value: unknown): value is string {
  return typeof value === 'string' && value.length === 36 && UUID.test(value);
}

/** The UUID of nobody, where an array must hold one. Nothing is granted to it. */
export const NIL_UUID = '00000000-0000-0000-0000-000000000000';

// Random bytes are drawn in blocks: one system call for many ids on the write path.
const BLOCK_BYTES = 10 * 256;
let block = randomBytes(BLOCK_BYTES);
let used = 0;

/**
 * A new UUID version 7 (RFC 9562 section 5.7): time-ordered, so that inserts touch the right edge
 * of the primary key's index instead of random pages.
 */
export function newId(nowMs: number = Date.now()): string {
  if (used + 10 > BLOCK_BYTES) {
    block = randomBytes(BLOCK_BYTES);
    used = 0;
  }
  const time = nowMs.toString(16).padStart(12, '0');
  const random = block.toString('hex', used, used + 10);
  used += 10;
  const variant = '89ab'.charAt(Number.parseInt(random.charAt(3), 16) & 3);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-${variant}${random.slice(4, 7)}-${random.slice(7, 19)}`;
}
