/** The sockets of each person on this node; the bus is asked for what concerns these people. */
import type { Bus } from '../bus/bus.ts';
import type { Socket } from '../realtime/socket.ts';
import { MultiMap } from '../shared/multi-map.ts';
import { userTopic } from './topics.ts';

export function createUserSockets(
  bus: Pick<Bus, 'subscribe' | 'unsubscribe'>,
  log: { debug(fields: object, message: string): void },
) {
  const people = new MultiMap<string, Socket>();

  return {
    enter(socket: Socket, userId: string): void {
      people.add(userId, socket);
      if (people.count(userId) > 1) return;
      const topic = userTopic(userId);
      bus.subscribe(topic).catch((error: unknown) => {
        log.debug({ err: error, topic }, 'not subscribed yet');
      });
    },

    leave(socket: Socket, userId: string): void {
      if (people.delete(userId, socket) && people.count(userId) === 0) {
        bus.unsubscribe(userTopic(userId));
      }
    },

    /**
     * To every socket of the person on this node. Without a topic of the Socket.IO server: people
     * have a few sockets each, and a topic for every connection is memory.
     */
    send(userId: string, frame: string): void {
      for (const socket of people.get(userId)) socket.sendFrame(frame);
    },

    /** Ends every connection of the person on this node; stock clients do not come back by themselves. */
    disconnect(userId: string): void {
      for (const socket of people.get(userId)) socket.disconnect(true);
    },
  };
}

export type UserSockets = ReturnType<typeof createUserSockets>;
