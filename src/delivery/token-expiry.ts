/**
 * Ends connections at their token's `exp`, warning 30 s before.
 *
 * `exp` is a time of day, so what is due is judged anew at every tick by what the wall clock says
 * then, however far and whichever way it has jumped: nobody is overlooked, and no more is looked at
 * than there is. One timer serves all sockets; it runs while there are any.
 */

import { eventFrame } from '../audience/frames.ts';
import { EXPIRY_TICK_MS, EXPIRY_WARNING_MS } from '../bounds/delivery.ts';
import type { Socket } from '../realtime/socket.ts';
import { afterUnref, createDeadlineTimer } from '../shared/deadline-timer.ts';

interface Watched {
  readonly expiresAtMs: number;
  readonly isWarned: boolean;
}

/**
 * Watches sockets until they are forgotten, or everything is closed.
 *
 * @param now the wall clock, milliseconds since 1970
 */
export function createTokenExpiry(now: () => number = Date.now) {
  const watched = new Map<Socket, Watched>();
  const sockets = createDeadlineTimer<Socket>({
    onDue: attend,
    now,
    after: afterUnref,
    tickMs: EXPIRY_TICK_MS,
  });

  function place(socket: Socket, expiresAtMs: number, isWarned: boolean): void {
    watched.set(socket, { expiresAtMs, isWarned });
    sockets.set(socket, isWarned ? expiresAtMs : expiresAtMs - EXPIRY_WARNING_MS);
  }

  function remove(socket: Socket): void {
    if (!watched.delete(socket)) return;
    if (watched.size === 0) sockets.clear();
    else sockets.delete(socket);
  }

  function attend(socket: Socket, nowMs: number): void {
    const entry = watched.get(socket);
    if (entry === undefined) return;
    const { expiresAtMs, isWarned } = entry;
    if (expiresAtMs <= nowMs) {
      remove(socket);
      // Not a DISCONNECT, from which a stock client does not come back: one that has a new token may.
      socket.closeTransport('token expired');
      return;
    }
    if (!isWarned) {
      const expires_at = new Date(expiresAtMs).toISOString();
      socket.sendFrame(eventFrame('token_expiring', { expires_at }));
    }
    // The socket may have ended while it was written to.
    if (watched.get(socket) === entry) place(socket, expiresAtMs, true);
  }

  return {
    /** Watches the socket until `expiresAtMs`; null is for ever. Replaces what was said before. */
    watch(socket: Socket, expiresAtMs: number | null): void {
      if (expiresAtMs === null) remove(socket);
      else place(socket, expiresAtMs, false);
    },
    forget: remove,
    close(): void {
      sockets.clear();
      watched.clear();
    },
  };
}

export type TokenExpiry = ReturnType<typeof createTokenExpiry>;
