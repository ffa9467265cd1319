/** Unguessable short identifiers for sessions and sockets. */

import { randomBytes } from 'node:crypto';

/** 120 bits in 20 characters: an Engine.IO session id is a secret that speaks for its client. */
export const SESSION_ID_BYTES = 15;
/** 96 bits in 16 characters: a Socket.IO id is public and only has to be unique. */
export const SOCKET_ID_BYTES = 12;

// Random bytes are drawn in blocks: one system call for many connections.
const BLOCK_BYTES = 6_000;
let block = randomBytes(BLOCK_BYTES);
let used = 0;

/** A fresh identifier of `bytes` random bytes in base64url. */
export function newRandomId(bytes: number): string {
  if (used + bytes > BLOCK_BYTES) {
    block = randomBytes(BLOCK_BYTES);
    used = 0;
  }
  used += bytes;
  return block.toString('base64url', used - bytes, used);
}
