/** All the limits of a node, from the settings; absent where there are none. */
import type { UserLimit } from '../chat/ports.ts';
import type { RedisServer } from '../redis/server.ts';
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
  redis: RedisServer | null;
  trustedProxies: readonly string[];
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

export function createLimits({ rates, redis, trustedProxies }: LimitsOptions): Limits {
  const refused = { messages: 0, requests: 0, events: 0, connections: 0 };
  const stats = (): RefusalStats => refused;
  if (rates === null) {
    return { sends: null, requests: null, events: null, gate: null, stats };
  }
  const shared = redis === null ? {} : { redis };
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
  };
}
