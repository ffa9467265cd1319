/** Identifiers: what counts as one, how it is spelled in here, and how new ones are made. */
import { randomBytes } from 'node:crypto';

declare const canonical: unique symbol;

/**
 * A UUID as PostgreSQL writes it, in lower case: equal ids are equal strings, so it can be a key.
 * Whatever comes in as text becomes one at the edge where it comes in, by `toCanonicalId` or, where a
 * schema has checked it already, by `foldId`; `newId` makes one. Rows of PostgreSQL hold them as they are.
 */
export type CanonicalId = string & { readonly [canonical]: true };

/** A UUID in the 8-4-4-4-12 form, any version, either case: JSON schemas hold callers to the same. */
export const UUID_PATTERN =
  '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$';
const UUID = new RegExp(UUID_PATTERN);

/** The id that `value` spells; null when it is not a UUID. */
export function toCanonicalId(value: unknown): CanonicalId | null {
  return typeof value === 'string' && value.length === 36 && UUID.test(value)
    ? foldId(value)
    : null;
}

/**
 * The id that `uuid` spells.
 *
 * @param uuid known to match `UUID_PATTERN`
 */
export function foldId(uuid: string): CanonicalId {
  return uuid.toLowerCase() as CanonicalId;
}

/** The UUID of nobody, where an array must hold one. Nothing is granted to it. */
export const NIL_UUID = foldId('00000000-0000-0000-0000-000000000000');

// Random bytes are drawn in blocks: one system call for many ids on the write path.
const BLOCK_BYTES = 10 * 256;
let block = randomBytes(BLOCK_BYTES);
let used = 0;

/**
 * A new UUID version 7 (RFC 9562 section 5.7): time-ordered, so that inserts touch the right edge
 * of the primary key's index instead of random pages.
 */
export function newId(nowMs: number = Date.now()): CanonicalId {
  if (used + 10 > BLOCK_BYTES) {
    block = randomBytes(BLOCK_BYTES);
    used = 0;
  }
  const time = nowMs.toString(16).padStart(12, '0');
  const random = block.toString('hex', used, used + 10);
  used += 10;
  const variant = '89ab'.charAt(Number.parseInt(random.charAt(3), 16) & 3);
  return foldId(
    `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-${variant}${random.slice(4, 7)}-${random.slice(7, 19)}`,
  );
}
