/**
 * How a node goes down without losing what was begun: it refuses what is new, sends its sockets away a
 * few at a time, sees what is under way through, and closes its parts, those that stand on others first.
 */
import type { Audience } from './audience/audience.ts';
import { POOL_CLOSE_MS, REQUESTS_FINISH_MS, SENDS_FINISH_MS } from './bounds/process.ts';
import type { Bus } from './bus/bus.ts';
import type { Chat } from './chat/chat.ts';
import type { Delivery } from './delivery/delivery.ts';
import type { HttpDoor } from './http-door.ts';
import type { WorkLine } from './limits/work-line.ts';
import type { PeerNode } from './peers/peers.ts';
import type { Ports } from './ports.ts';
import type { SocketServer } from './realtime/socket-server.ts';
import type { RedisServer } from './redis/server.ts';
import { within } from './shared/deadline.ts';
import type { Database } from './store/database.ts';
import type { Writer } from './store/writer.ts';

/** What there is to end, but for the ports. */
export interface NodeParts {
  server: Pick<SocketServer, 'drain' | 'close'>;
  /** This process's part among the others; null, as `redis` is, where the process is alone. */
  peerNode: Pick<PeerNode, 'drain' | 'close'> | null;
  delivery: Pick<Delivery, 'close'>;
  chat: Pick<Chat, 'typing'>;
  audience: Pick<Audience, 'close' | 'isUnsure' | 'lastWord'>;
  http: Pick<HttpDoor, 'idle' | 'close'>;
  work: Pick<WorkLine, 'close'>;
  bus: Pick<Bus, 'close'>;
  redis: Pick<RedisServer, 'close'> | null;
  writer: Pick<Writer, 'drain'>;
  database: Pick<Database, 'close'>;
}

export interface Draining {
  /** From here on calls are refused, and the node says that it is not ready. */
  hasBegun(): boolean;
  /**
   * Resolves when all is closed; called again, it is the same going down.
   *
   * @param graceMs connections end spread over so long at most: clients come back elsewhere one by one
   */
  run(ports: Pick<Ports, 'stop' | 'close'>, parts: NodeParts, graceMs: number): Promise<void>;
}

export function createDraining(): Draining {
  let begun = false;
  let running: Promise<void> | null = null;

  async function drainAndClose(
    ports: Pick<Ports, 'stop' | 'close'>,
    parts: NodeParts,
    graceMs: number,
  ): Promise<void> {
    const { server, peerNode, writer, http } = parts;
    begun = true;
    ports.stop();
    const [leftMs] = await Promise.all([
      server.drain({ overMs: graceMs, finishMs: SENDS_FINISH_MS }),
      peerNode?.drain(graceMs),
    ]);
    // One time for what waits for the writer, on sockets and here: the next part does not get it again.
    await Promise.all([writer.drain(leftMs), within(http.idle(), leftMs + REQUESTS_FINISH_MS)]);
    await closeParts(parts);
    ports.close();
  }

  return {
    hasBegun: () => begun,
    run(ports, parts, graceMs) {
      running ??= drainAndClose(ports, parts, graceMs);
      return running;
    },
  };
}

/** Ends everything at once, whatever is under way. */
export async function closeParts(parts: NodeParts): Promise<void> {
  await parts.server.close();
  await parts.peerNode?.close();
  parts.delivery.close();
  parts.chat.typing.close();
  parts.audience.close();
  await parts.http.close();
  parts.work.close();
  await parts.bus.close({ silently: parts.audience.isUnsure() });
  // Only now it is known what Redis has not taken. One time for all that PostgreSQL is still to answer.
  const until = performance.now() + POOL_CLOSE_MS;
  await within(parts.audience.lastWord(), POOL_CLOSE_MS);
  parts.redis?.close();
  await parts.database.close(Math.max(0, until - performance.now()));
}
