/** What a request to another process needs: where, which path, and the key that is shown there. */
import type { PeerAddress } from './registry.ts';

export const KEY_HEADER = 'x-peer-key';

export interface PeerCall {
  readonly address: PeerAddress;
  /** Made of checked parts: nothing that a client wrote travels on but the id of the session. */
  path(transport: 'polling' | 'websocket'): string;
  /** The connection could not be made, or broke. */
  failed(error: unknown): void;
}

/** Errors that say for certain that nobody listens there. */
const NOBODY: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENOTFOUND']);

export function isNobody(error: unknown): boolean {
  return error instanceof Error && 'code' in error && NOBODY.has(error.code);
}
