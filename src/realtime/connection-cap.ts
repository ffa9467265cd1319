/**
 * How many connections a process has open for its clients, held below what it may open.
 *
 * Guarantees: of all apps it guards together at most `max` connections stay open; one more is
 * answered 503 and closed in the turn in which it is accepted, so that there is always a descriptor
 * to accept the next with (out of descriptors, uWebSockets.js would try in vain without a pause), and
 * those of the reserve for whoever needs them here. It counts connections, not sessions: also those
 * that never send a request, which uWebSockets.js closes after about 10 s.
 */
import { CAP_WARN_INTERVAL_MS } from '../bounds/realtime.ts';
import { ascii, utf8 } from '../shared/native-text.ts';
import type { HttpResponse, TemplatedApp } from './uws.ts';

export interface ConnectionCapDeps {
  /** Connections at once; may be Infinity. */
  readonly max: number;
  /** Whether the guarded apps speak TLS: within it there is nothing to say before the handshake. */
  readonly tls: boolean;
  /** The JSON body of the 503. */
  readonly refusalBody: string;
  readonly retryAfterSeconds: number;
  readonly log: { warn(facts: object, message: string): void };
}

export interface ConnectionCap {
  /** Counts this app's connections, and refuses those beyond the cap. Before it listens. */
  guard(app: TemplatedApp): void;
  /** To be called when this process has opened a connection of its own for a client. */
  opened(): void;
  /**
   * To be called when such a connection, or a WebSocket, has closed: of a WebSocket uWebSockets.js tells its
   * opening alone.
   */
  closed(): void;
  readonly isFull: boolean;
  stats(): ConnectionStats;
}

export interface ConnectionStats {
  /** Connections that are open at this moment. */
  readonly open: number;
  /** Connections refused so far. */
  readonly refused: number;
}

const UNAVAILABLE = ascii('503 Service Unavailable');
const CONTENT_TYPE = ascii('Content-Type');
const JSON_TYPE = ascii('application/json; charset=utf-8');
const RETRY_AFTER = ascii('Retry-After');

/** The cap of one process, over all the apps that are given to `guard`. */
export function createConnectionCap(deps: ConnectionCapDeps): ConnectionCap {
  const { max, tls, refusalBody, retryAfterSeconds, log } = deps;
  const retryAfter = ascii(`${retryAfterSeconds}`);
  let open = 0;
  let refused = 0;
  let warnedAt = Number.NEGATIVE_INFINITY;

  function warn(): void {
    if (performance.now() - warnedAt < CAP_WARN_INTERVAL_MS) return;
    warnedAt = performance.now();
    log.warn({ max }, 'no further connections: the process may not open more files');
  }

  /** Counts one more connection, or one less, and refuses the one that is too many. */
  function changed(res: HttpResponse, change: number): void {
    open += change;
    if (change < 0 || open <= max) return;
    refused += 1;
    warn();
    if (tls) {
      res.close();
      return;
    }
    res.writeStatus(UNAVAILABLE);
    res.writeHeader(CONTENT_TYPE, JSON_TYPE);
    res.writeHeader(RETRY_AFTER, retryAfter);
    res.end(utf8(refusalBody), true);
  }

  return {
    guard: (app) => void app.filter(changed),
    opened() {
      open += 1;
    },
    closed() {
      open -= 1;
    },
    get isFull() {
      return open >= max;
    },
    stats: () => ({ open, refused }),
  };
}
