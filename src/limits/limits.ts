/** All the limits of a node, from the settings; absent where there are none. */
import type { UserLimit } from '../chat/ports.ts';
import type { RedisServer } from '../redis/server.ts';
import { createClientAddress } from './client-address.ts';
import { createGate, type Gate } from './gate.ts';
import { createPacketLimit, type PacketLimit } from './packet-limit.ts';
import { createUserLimit } from './user-limits.ts';

export interface LimitsDeps {
  rates: {
    windowSeconds: number;
    sends: number;
    requests: number;
    fanOut: number;
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
  /** How many people may be told of the conversations one person makes and the memberships they change. */
  fanOut: UserLimit | null;
  events: PacketLimit | null;
  gate: Gate | null;
  stats(): RefusalStats;
}

/** What has been refused on this node since it started. */
export interface RefusalStats {
  readonly messages: number;
  readonly requests: number;
  /** Calls that would make a conversation or change who takes part. */
  readonly fan_out: number;
  /** Packets of connections that have sent too many. */
  readonly events: number;
  readonly connections: number;
  /** Attempts to prove who one is. */
  readonly identities: number;
  /** Requests for sessions that nobody has. */
  readonly strays: number;
}

/** With `rates` null there are no limits at all. */
export function createLimits({ rates, redis, trustedProxies }: LimitsDeps): Limits {
  const refused = {
    messages: 0,
    requests: 0,
    fan_out: 0,
    events: 0,
    connections: 0,
    identities: 0,
    strays: 0,
  };
  const stats = (): RefusalStats => refused;
  const count = (kind: keyof RefusalStats) => (): void => {
    refused[kind] += 1;
  };
  if (rates === null) {
    return { sends: null, requests: null, fanOut: null, events: null, gate: null, stats };
  }
  const shared = redis === null ? {} : { redis };
  const { windowSeconds } = rates;
  const windowMs = windowSeconds * 1000;
  return {
    sends: createUserLimit({
      name: 'messages',
      limit: rates.sends,
      windowSeconds,
      refused: count('messages'),
      ...shared,
    }),
    requests: createUserLimit({
      name: 'requests',
      limit: rates.requests,
      windowSeconds,
      refused: count('requests'),
      ...shared,
    }),
    fanOut: createUserLimit({
      name: 'people told of conversations',
      limit: rates.fanOut,
      windowSeconds,
      refused: count('fan_out'),
      ...shared,
    }),
    events: createPacketLimit({ limit: rates.events, windowMs, refused: count('events') }),
    gate: createGate({
      windowMs,
      maxConnections: rates.connections,
      maxFailures: rates.failedHandshakes,
      maxStrays: rates.events,
      clientAddress: createClientAddress(trustedProxies),
      refused: (kind) => count(kind)(),
    }),
    stats,
  };
}
