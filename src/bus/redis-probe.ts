/**
 * Proves that a link carries payloads, by sending one round it and waiting for the echo.
 *
 * Guarantees: a link that falls silent is told to `onSilent` within `timeoutMs` of its last proof.
 * A probe is due at every beat of `intervalMs` and has the rest of `timeoutMs` to come back; one is under way
 * at a time. A stall of this very process is no silence: before the verdict the sockets are read.
 */
import type { Beat } from '../shared/beat.ts';

export interface ProbeDeps {
  beat: Beat;
  intervalMs: number;
  /** How long after the last proof the link counts as dead; more than `intervalMs`. */
  timeoutMs: number;
  send(payload: Uint8Array): void;
  onProof(roundTripMs: number): void;
  onSilent(): void;
}

export interface Probe {
  /** Sends the first probe now. */
  start(): void;
  /** To be called with every payload heard on the probe channel. */
  heard(payload: Uint8Array): void;
  stop(): void;
}

/**
 * A probe that stands still until `start`.
 * @throws RangeError when `timeoutMs` leaves an echo no time.
 */
export function createProbe(deps: ProbeDeps): Probe {
  const { beat, intervalMs, timeoutMs } = deps;
  if (timeoutMs <= intervalMs) throw new RangeError('probeTimeoutMs must exceed probeIntervalMs');
  let number = 0;
  let awaited = '';
  let sentAt = 0;
  let overdueTimer: NodeJS.Timeout | undefined;
  let endBeat: (() => void) | undefined;
  let lastLook: NodeJS.Immediate | undefined;

  function send(): void {
    number += 1;
    awaited = String(number);
    sentAt = performance.now();
    overdueTimer = setTimeout(overdue, timeoutMs - intervalMs);
    deps.send(Buffer.from(awaited, 'latin1'));
  }

  function overdue(): void {
    // Timers run before sockets are read: after a stall the echo may lie there unread.
    lastLook = setImmediate(() => {
      if (awaited !== '') deps.onSilent();
    });
  }

  function waitNoMore(): void {
    awaited = '';
    clearTimeout(overdueTimer);
    if (lastLook !== undefined) clearImmediate(lastLook);
  }

  function stop(): void {
    waitNoMore();
    endBeat?.();
  }

  return {
    start() {
      stop();
      endBeat = beat.every(intervalMs, () => {
        if (awaited === '') send();
      });
      send();
    },

    heard(payload) {
      // A number, because an echo of an earlier link or a stranger's payload proves nothing.
      if (awaited === '' || Buffer.from(payload).toString('latin1') !== awaited) return;
      waitNoMore();
      deps.onProof(performance.now() - sentAt);
    },

    stop,
  };
}
