/** Names of what can be listened to, the same on the bus and in the Socket.IO server. */
import { type CanonicalId, toCanonicalId } from '../shared/ids.ts';

/** Everything said in a conversation, to those who joined it. */
export const conversationTopic = (conversationId: CanonicalId): string => `c:${conversationId}`;

/** What concerns one person, to all their sockets. */
export const userTopic = (userId: CanonicalId): string => `u:${userId}`;

/** The person a topic is of, or null when it is of something else. */
export const userOf = (topic: string): CanonicalId | null => idAfter('u:', topic);

/** The conversation a topic is of, or null when it is of something else. */
export const conversationOf = (topic: string): CanonicalId | null => idAfter('c:', topic);

function idAfter(prefix: string, topic: string): CanonicalId | null {
  return topic.startsWith(prefix) ? toCanonicalId(topic.slice(prefix.length)) : null;
}
