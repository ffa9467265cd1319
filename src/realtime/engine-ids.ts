/** Unguessable short identifiers for sessions and sockets. */

import { randomBytes } from 'node:crypto';

/** 120 bits in 20 characters: an Engine.IO session id is a secret that speaks for its client. */
const SESSION_ID_BYTES = 15;
/** Behind a tag: 128 bits, which make 30 characters with it. */
const TAGGED_ID_BYTES = 16;
/** 48 bits in 8 whole characters of base64url: tells the processes of a deployment apart. */
export const TAG_BYTES = 6;
const TAG_CHARACTERS = 8;
const TAGGED_ID = /^[\w-]{30}$/;
/** 96 bits in 16 characters: a Socket.IO id is public and only has to be unique. */
export const SOCKET_ID_BYTES = 12;

// Random bytes are drawn in blocks: one system call for many connections.
const BLOCK_BYTES = 6_000;
let block = randomBytes(BLOCK_BYTES);
let used = 0;

/** Takes `bytes` random bytes of the block; they lie before `used`. */
function draw(bytes: number): void {
  if (used + bytes > BLOCK_BYTES) {
    block = randomBytes(BLOCK_BYTES);
    used = 0;
  }
  used += bytes;
}

/** A fresh identifier of `bytes` random bytes in base64url. */
export function newRandomId(bytes: number): string {
  draw(bytes);
  return block.toString('base64url', used - bytes, used);
}

/** Makes the ids of sessions; each begins with `tag` (TAG_BYTES of them) where there is one. */
export function createSessionIds(tag: Uint8Array | undefined): () => string {
  if (tag === undefined) return () => newRandomId(SESSION_ID_BYTES);
  const id = Buffer.concat([tag, Buffer.alloc(TAGGED_ID_BYTES)]);
  return () => {
    draw(TAGGED_ID_BYTES);
    block.copy(id, TAG_BYTES, used - TAGGED_ID_BYTES, used);
    return id.toString('base64url');
  };
}

/** A tag as it stands in the ids. */
export function tagText(tag: Uint8Array): string {
  return Buffer.from(tag).toString('base64url');
}

/** The tag of a session id; undefined when it is not of the form that has one. */
export function tagOf(sid: string): string | undefined {
  return TAGGED_ID.test(sid) ? sid.slice(0, TAG_CHARACTERS) : undefined;
}
