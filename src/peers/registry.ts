/**
 * Which process has which tag, and how the others reach it, kept in Redis under
 * `<prefix>peer:<tag>` as `<host> <port> <key>`.
 *
 * Guarantees: nothing waits longer than a command to Redis may take, and nothing is queued for it; an
 * entry outlives its process by `ENTRY_LIFE_SECONDS` at most; what is remembered here is bounded, however
 * many tags clients make up. With Redis away, who was known stays known.
 */
import { LRUCache } from 'lru-cache';
import {
  ABSENT_PEER_MS,
  ENTRY_FIRST_CHECK_MS,
  ENTRY_LIFE_SECONDS,
  ENTRY_REFRESH_MS,
  ENTRY_RETRY_MS,
  KNOWN_PEER_MS,
  MAX_ABSENT_PEERS,
  MAX_KNOWN_PEERS,
  MAX_PEER_LOOKUPS,
} from '../bounds/peers.ts';
import type { RedisServer } from '../redis/server.ts';
import { within } from '../shared/deadline.ts';

/** Where a process serves the clients of its sessions that come through others. */
export interface PeerAddress {
  readonly host: string;
  readonly port: number;
  /** Shown with every request, so that a process serves nobody but those who can read Redis. */
  readonly key: string;
}

export interface PeerLog {
  warn(facts: object, message: string): void;
  info(facts: object, message: string): void;
}

export interface PeerRegistryDeps {
  readonly redis: Pick<RedisServer, 'commands' | 'prefix' | 'checked' | 'onUp' | 'report'>;
  /** The tag of this process. */
  readonly tag: string;
  readonly log: PeerLog;
}

export interface PeerRegistry {
  /** Makes this process known, and keeps it so. Resolves when Redis has taken or refused it once. */
  announce(address: PeerAddress): Promise<void>;
  /** How to reach the process with this tag; undefined: nobody has it, as far as is known. */
  find(tag: string): Promise<PeerAddress | undefined>;
  /** Forgets where a tag was: nobody listens there any more. */
  gone(tag: string): void;
  /** Takes this process out of the registry, and stops saying where it is. */
  close(): Promise<void>;
}

const MAX_PORT = 65_535;

/** The registry as this process sees it. */
export function createPeerRegistry({ redis, tag, log }: PeerRegistryDeps): PeerRegistry {
  const { prefix } = redis;
  const known = new LRUCache<string, { address: PeerAddress; askAgainAtMs: number }>({
    max: MAX_KNOWN_PEERS,
  });
  const absent = new LRUCache<string, true>({ max: MAX_ABSENT_PEERS, ttl: ABSENT_PEER_MS });
  const lookups = new Map<string, Promise<PeerAddress | undefined>>();
  const keyOf = (of: string): string => `${prefix}peer:${of}`;

  let entry: string | undefined;
  let refreshing: Promise<void> | undefined;
  let inTrouble = false;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;

  // A Redis that has come back may have forgotten everything.
  redis.onUp(() => void refresh());

  /** Whoever asks while it is being done waits for the same. */
  function refresh(): Promise<void> {
    if (entry === undefined || closed) return Promise.resolve();
    refreshing ??= write(entry).finally(() => {
      refreshing = undefined;
    });
    return refreshing;
  }

  async function write(text: string): Promise<void> {
    clearTimeout(timer);
    try {
      await redis.commands.set(keyOf(tag), text, 'EX', ENTRY_LIFE_SECONDS);
      if (inTrouble) log.info({ tag }, 'other processes can find the sessions of this one again');
      inTrouble = false;
    } catch (error) {
      redis.report(error);
      if (!inTrouble && !closed) {
        log.warn({ err: error, tag }, 'other processes cannot find the sessions of this one');
      }
      inTrouble = true;
    }
    if (closed) return;
    timer = setTimeout(() => void refresh(), inTrouble ? ENTRY_RETRY_MS : ENTRY_REFRESH_MS).unref();
  }

  async function lookUp(of: string): Promise<PeerAddress | undefined> {
    try {
      const address = parseEntry(await redis.commands.get(keyOf(of)));
      if (address === undefined) {
        known.delete(of);
        absent.set(of, true);
      } else {
        known.set(of, { address, askAgainAtMs: performance.now() + KNOWN_PEER_MS });
      }
      return address;
    } catch (error) {
      redis.report(error);
      return known.get(of)?.address; // Redis is away: better an old address than none.
    } finally {
      lookups.delete(of);
    }
  }

  return {
    async announce(address) {
      entry = `${address.host} ${address.port} ${address.key}`;
      await within(redis.checked(), ENTRY_FIRST_CHECK_MS);
      await refresh();
    },

    async find(of) {
      const found = known.get(of);
      if (found !== undefined && performance.now() < found.askAgainAtMs) return found.address;
      if (absent.has(of)) return undefined;
      const running = lookups.get(of);
      if (running !== undefined) return running;
      if (lookups.size >= MAX_PEER_LOOKUPS) return found?.address;
      const lookup = lookUp(of);
      lookups.set(of, lookup);
      return lookup;
    },

    gone(of) {
      known.delete(of);
      absent.set(of, true);
    },

    async close() {
      if (closed) return;
      closed = true;
      clearTimeout(timer);
      // Without Redis it goes by itself, ENTRY_LIFE_SECONDS later.
      await redis.commands.del(keyOf(tag)).catch(() => undefined);
    },
  };
}

/** Reads `10.0.0.7 40123 kx…`; undefined: there is nothing, or nothing of ours. */
function parseEntry(text: string | null): PeerAddress | undefined {
  const match = /^([\w.:-]{1,255}) (\d{1,5}) ([\w-]{1,64})$/.exec(text ?? '');
  const [, host = '', digits = '', key = ''] = match ?? [];
  const port = Number(digits);
  return port >= 1 && port <= MAX_PORT ? { host, port, key } : undefined;
}
