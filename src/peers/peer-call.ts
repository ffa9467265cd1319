/** What a request to another process needs: where, which path, and the key that is shown there. */
import type { PeerAddress } from './registry.ts';

/** The header that carries the key of the process that is asked. */
export const KEY_HEADER = 'x-peer-key';

export interface PeerCall {
  readonly address: PeerAddress;
  /** The path to ask for, of checked parts: nothing that a client wrote travels on but the session's id. */
  path(transport: 'polling' | 'websocket'): string;
  /** To be called when the connection could not be made, or broke. */
  failed(error: unknown): void;
}

/** Errors that say for certain that nobody listens there. */
const NOBODY: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENOTFOUND']);

/** Whether an error says for certain that nobody listens there. */
export function isNobody(error: unknown): boolean {
  return error instanceof Error && 'code' in error && NOBODY.has(error.code);
}
