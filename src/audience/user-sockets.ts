/** The sockets of each person on this node; the bus is asked for what concerns these people. */
import type { Bus } from '../bus/bus.ts';
import type { Socket as AnySocket } from '../realtime/socket.ts';
import type { CanonicalId } from '../shared/ids.ts';
import { MultiMap } from '../shared/multi-map.ts';
import { userTopic } from './topics.ts';

/** A socket that knows when it connected, by performance.now(), in whole milliseconds. */
type Socket = AnySocket<{ connectedAtMs: number }>;

/** Nobody is here at first; the namespace tells of sockets that come and go. */
export function createUserSockets(
  bus: Pick<Bus, 'subscribe' | 'unsubscribe'>,
  log: { debug(fields: object, message: string): void },
) {
  const people = new MultiMap<string, Socket>();

  return {
    enter(socket: Socket, userId: CanonicalId): void {
      people.add(userId, socket);
      if (people.count(userId) > 1) return;
      const topic = userTopic(userId);
      bus.subscribe(topic).catch((error: unknown) => {
        log.debug({ err: error, topic }, 'not subscribed yet');
      });
    },

    leave(socket: Socket, userId: CanonicalId): void {
      if (people.delete(userId, socket) && people.count(userId) === 0) {
        bus.unsubscribe(userTopic(userId));
      }
    },

    /**
     * Sends a frame to every socket of the person on this node, one by one: people have a few sockets each,
     * and a topic of the Socket.IO server for every connection would be memory.
     *
     * @param connectedBeforeMs of performance.now(): who came later is left out
     */
    send(userId: CanonicalId, frame: string, connectedBeforeMs = Number.POSITIVE_INFINITY): void {
      for (const socket of people.get(userId)) {
        if (socket.data.connectedAtMs < connectedBeforeMs) socket.sendFrame(frame);
      }
    },

    holds: (userId: CanonicalId, socket: object): boolean =>
      people.get(userId).some((one) => one === socket),

    has: (userId: CanonicalId): boolean => people.count(userId) > 0,

    /** How many people have a socket here. */
    size: (): number => people.size,

    /** Ends every connection of the person on this node; stock clients do not come back by themselves. */
    disconnect(userId: CanonicalId): void {
      for (const socket of people.get(userId)) socket.disconnect(true);
    },

    /** Ends only those of the person's connections that were made before `atMs`, of performance.now(). */
    disconnectOlder(userId: CanonicalId, atMs: number): void {
      for (const socket of people.get(userId)) {
        if (socket.data.connectedAtMs < atMs) socket.disconnect(true);
      }
    },
  };
}

export type UserSockets = ReturnType<typeof createUserSockets>;
