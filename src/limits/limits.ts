/** All the limits of a node, from the settings; absent where there are none. */
import { Redis } from 'ioredis';
import type { UserLimit } from '../chat/ports.ts';
import { createClientAddress } from './client-address.ts';
import { createFixedWindow } from './fixed-window.ts';
import { createGate, type Gate } from './gate.ts';
import { createUserLimit } from './user-limits.ts';

export interface LimitsOptions {
  rates: {
    windowSeconds: number;
    sends: number;
    requests: number;
    events: number;
    connections: number;
    failedHandshakes: number;
  } | null;
  redis: { url: string; prefix: string; isUp: () => boolean } | null;
  trustedProxies: readonly string[];
  log: { debug(fields: object, message: string): void };
}

export interface Limits {
  sends: UserLimit | null;
  requests: UserLimit | null;
  events: {
    take(socketId: string): 'ok' | 'over' | 'flood';
    retryAfterSeconds(): number;
  } | null;
  gate: Gate | null;
  stats(): RefusalStats;
  close(): void;
}

/** What has been refused on this node since it started. */
export interface RefusalStats {
  readonly messages: number;
  readonly requests: number;
  readonly events: number;
  readonly connections: number;
}

/** So many times over its limit, a socket is not slow to learn but hostile or broken. */
const FLOOD_FACTOR = 10;
/** A Redis that does not answer by then is counted without. */
const COMMAND_TIMEOUT_MS = 250;
/** So long after a command without a byte, the link is dead and made anew. */
const SILENCE_MS = 3_000;

export function createLimits({ rates, redis, trustedProxies, log }: LimitsOptions): Limits {
  const refused = { messages: 0, requests: 0, events: 0, connections: 0 };
  const stats = (): RefusalStats => refused;
  if (rates === null) {
    return { sends: null, requests: null, events: null, gate: null, stats, close: () => undefined };
  }
  const client =
    redis === null
      ? undefined
      : new Redis(redis.url, {
          enableOfflineQueue: false,
          commandTimeout: COMMAND_TIMEOUT_MS,
          socketTimeout: SILENCE_MS,
          maxRetriesPerRequest: 0,
        });
  // What is wrong with Redis is told by the bus; here it only means counting locally.
  client?.on('error', (error) => log.debug({ err: error }, 'rates are counted on this node alone'));
  const shared =
    client === undefined || redis === null
      ? {}
      : { redis: { client, prefix: redis.prefix, isUp: redis.isUp } };
  const { windowSeconds } = rates;
  const events = createFixedWindow(rates.events, windowSeconds * 1000);
  return {
    sends: createUserLimit({
      name: 'messages',
      limit: rates.sends,
      windowSeconds,
      refused: () => {
        refused.messages += 1;
      },
      ...shared,
    }),
    requests: createUserLimit({
      name: 'requests',
      limit: rates.requests,
      windowSeconds,
      refused: () => {
        refused.requests += 1;
      },
      ...shared,
    }),
    events: {
      take(socketId) {
        const count = events.count(socketId);
        if (count <= rates.events) return 'ok';
        refused.events += 1;
        return count > rates.events * FLOOD_FACTOR ? 'flood' : 'over';
      },
      retryAfterSeconds: events.retryAfterSeconds,
    },
    gate: createGate({
      windowMs: windowSeconds * 1000,
      maxConnections: rates.connections,
      maxFailures: rates.failedHandshakes,
      clientAddress: createClientAddress(trustedProxies),
      refused: () => {
        refused.connections += 1;
      },
      callRefused: () => {
        refused.requests += 1;
      },
    }),
    stats,
    close: () => client?.disconnect(),
  };
}
