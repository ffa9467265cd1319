/** Which people have a socket on this node, so that the bus is asked for what concerns them. */
import type { Bus } from '../bus/bus.ts';
import type { Socket } from '../realtime/socket.ts';
import { userTopic } from './topics.ts';

export function createUserTopics(
  bus: Pick<Bus, 'subscribe' | 'unsubscribe'>,
  log: { debug(fields: object, message: string): void },
) {
  const sockets = new Map<string, number>();

  return {
    enter(socket: Socket, userId: string): void {
      const count = sockets.get(userId) ?? 0;
      sockets.set(userId, count + 1);
      const topic = userTopic(userId);
      socket.join(topic);
      if (count > 0) return;
      bus.subscribe(topic).catch((error: unknown) => {
        log.debug({ err: error, topic }, 'not subscribed yet');
      });
    },

    leave(userId: string): void {
      const count = sockets.get(userId) ?? 0;
      if (count > 1) {
        sockets.set(userId, count - 1);
      } else if (count === 1) {
        sockets.delete(userId);
        bus.unsubscribe(userTopic(userId));
      }
    },
  };
}

export type UserTopics = ReturnType<typeof createUserTopics>;
