/**
 * Ends connections at their token's `exp`, warning 30 s before. Sockets sit in a map by the second
 * in which something is due, so one timer serves all of them.
 */
import type { Socket } from '../realtime/socket.ts';
import { eventFrame } from './frames.ts';

/** How long before `exp` a client is told. */
export const EXPIRY_WARNING_MS = 30_000;
const TICK_MS = 500;

export function createTokenExpiry(now: () => number = Date.now) {
  const due = new Map<number, Set<Socket>>();
  const expiry = new Map<Socket, { expiresAtMs: number; second: number; warned: boolean }>();
  let tickedSecond = Math.floor(now() / 1000);

  function place(socket: Socket, expiresAtMs: number, warned: boolean): void {
    const atMs = warned ? expiresAtMs : Math.max(now(), expiresAtMs - EXPIRY_WARNING_MS);
    // Set back, the clock comes by the seconds again that have been looked at.
    tickedSecond = Math.min(tickedSecond, Math.floor(now() / 1000));
    // A second that has been looked at already is not looked at again.
    const second = Math.max(Math.floor(atMs / 1000), tickedSecond + 1);
    expiry.set(socket, { expiresAtMs, second, warned });
    const sockets = due.get(second);
    if (sockets === undefined) due.set(second, new Set([socket]));
    else sockets.add(socket);
  }

  function remove(socket: Socket): void {
    const entry = expiry.get(socket);
    if (entry === undefined) return;
    expiry.delete(socket);
    const sockets = due.get(entry.second);
    sockets?.delete(socket);
    if (sockets?.size === 0) due.delete(entry.second);
  }

  function tick(): void {
    const second = Math.floor(now() / 1000);
    for (let at = tickedSecond + 1; at <= second; at += 1) {
      tickedSecond = at;
      for (const socket of [...(due.get(at) ?? [])]) {
        const entry = expiry.get(socket);
        if (entry === undefined) continue;
        remove(socket);
        if (entry.expiresAtMs <= now()) {
          socket.disconnect(true);
        } else {
          if (!entry.warned) {
            const expires_at = new Date(entry.expiresAtMs).toISOString();
            socket.sendFrame(eventFrame('token_expiring', { expires_at }));
          }
          place(socket, entry.expiresAtMs, true);
        }
      }
    }
  }

  const timer = setInterval(tick, TICK_MS);
  timer.unref();

  return {
    /** Watches the socket until `expiresAtMs`; null is for ever. Replaces what was said before. */
    watch(socket: Socket, expiresAtMs: number | null): void {
      remove(socket);
      if (expiresAtMs !== null) place(socket, expiresAtMs, false);
    },
    forget: remove,
    close(): void {
      clearInterval(timer);
      due.clear();
      expiry.clear();
    },
  };
}

export type TokenExpiry = ReturnType<typeof createTokenExpiry>;
