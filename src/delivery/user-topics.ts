/** Which people have a socket on this node, so that the bus is asked for what concerns them. */
import type { Bus } from '../bus/bus.ts';
import type { Socket } from '../realtime/socket.ts';
import { userTopic } from './topics.ts';

export function createUserTopics(
  bus: Pick<Bus, 'subscribe' | 'unsubscribe'>,
  log: { debug(fields: object, message: string): void },
) {
  const people = new Map<string, Set<Socket>>();

  return {
    enter(socket: Socket, userId: string): void {
      const topic = userTopic(userId);
      socket.join(topic);
      const sockets = people.get(userId);
      if (sockets !== undefined) {
        sockets.add(socket);
        return;
      }
      people.set(userId, new Set([socket]));
      bus.subscribe(topic).catch((error: unknown) => {
        log.debug({ err: error, topic }, 'not subscribed yet');
      });
    },

    leave(socket: Socket, userId: string): void {
      const sockets = people.get(userId);
      if (sockets === undefined || !sockets.delete(socket) || sockets.size > 0) return;
      people.delete(userId);
      bus.unsubscribe(userTopic(userId));
    },

    /** Ends every connection of the person on this node; stock clients do not come back by themselves. */
    disconnect(userId: string): void {
      for (const socket of [...(people.get(userId) ?? [])]) socket.disconnect(true);
    },
  };
}

export type UserTopics = ReturnType<typeof createUserTopics>;
