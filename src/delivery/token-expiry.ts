/**
 * Ends connections at their token's `exp`, warning 30 s before.
 *
 * `exp` is a time of day, so what is due is judged anew at every tick by what the wall clock says
 * then, however far and whichever way it has jumped: nobody is overlooked, and no more is looked at
 * than there is. Sockets sit in a map by the tick at which something is due, so one timer serves all of
 * them; it runs while there are any.
 */

import { eventFrame } from '../audience/frames.ts';
import type { Socket } from '../realtime/socket.ts';

/** How long before `exp` a client is told. */
export const EXPIRY_WARNING_MS = 30_000;
const TICK_MS = 500;
/** After so many the event loop sees to others: a clock set forward ends all connections at once. */
const MAX_SOCKETS_PER_TURN = 500;

interface Watched {
  readonly expiresAtMs: number;
  /** Ticks from 1970 to the first one at which something is due. */
  readonly dueTick: number;
  readonly isWarned: boolean;
}

/** @param now the wall clock, milliseconds since 1970 */
export function createTokenExpiry(now: () => number = Date.now) {
  const due = new Map<number, Set<Socket>>();
  const watched = new Map<Socket, Watched>();
  let timer: NodeJS.Timeout | undefined;
  let rest: NodeJS.Immediate | undefined;

  function place(socket: Socket, expiresAtMs: number, isWarned: boolean): void {
    const dueAtMs = isWarned ? expiresAtMs : expiresAtMs - EXPIRY_WARNING_MS;
    const dueTick = Math.ceil(dueAtMs / TICK_MS);
    watched.set(socket, { expiresAtMs, dueTick, isWarned });
    const sockets = due.get(dueTick);
    if (sockets === undefined) due.set(dueTick, new Set([socket]));
    else sockets.add(socket);
    timer ??= setInterval(tick, TICK_MS).unref();
  }

  function remove(socket: Socket): void {
    const entry = watched.get(socket);
    if (entry === undefined) return;
    watched.delete(socket);
    const sockets = due.get(entry.dueTick);
    sockets?.delete(socket);
    if (sockets?.size === 0) due.delete(entry.dueTick);
    if (watched.size === 0) rests();
  }

  function rests(): void {
    clearInterval(timer);
    clearImmediate(rest);
    timer = undefined;
    rest = undefined;
  }

  function tick(): void {
    const nowMs = now();
    let left = MAX_SOCKETS_PER_TURN;
    for (const [at, sockets] of due) {
      if (at * TICK_MS > nowMs) continue;
      for (const socket of sockets) {
        if (left === 0) {
          clearImmediate(rest);
          rest = setImmediate(tick);
          return;
        }
        left -= 1;
        attend(socket, nowMs);
      }
    }
  }

  function attend(socket: Socket, nowMs: number): void {
    const entry = watched.get(socket);
    if (entry === undefined) return;
    const { expiresAtMs, isWarned } = entry;
    remove(socket);
    if (expiresAtMs <= nowMs) {
      socket.disconnect(true);
      return;
    }
    if (!isWarned) {
      const expires_at = new Date(expiresAtMs).toISOString();
      socket.sendFrame(eventFrame('token_expiring', { expires_at }));
    }
    place(socket, expiresAtMs, true);
  }

  return {
    /** Watches the socket until `expiresAtMs`; null is for ever. Replaces what was said before. */
    watch(socket: Socket, expiresAtMs: number | null): void {
      remove(socket);
      if (expiresAtMs !== null) place(socket, expiresAtMs, false);
    },
    forget: remove,
    close(): void {
      rests();
      due.clear();
      watched.clear();
    },
  };
}

export type TokenExpiry = ReturnType<typeof createTokenExpiry>;
