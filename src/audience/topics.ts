/** Names of what can be listened to, the same on the bus and in the Socket.IO server. */

/** Everything said in a conversation, to those who joined it. */
export const conversationTopic = (conversationId: string): string => `c:${conversationId}`;

/** What concerns one person, to all their sockets. */
export const userTopic = (userId: string): string => `u:${userId}`;

/** The person a topic is of, when it is of no conversation. */
export const userOf = (topic: string): string => topic.slice(2);

/** The conversation a topic is of, or undefined when it is of something else. */
export function conversationOf(topic: string): string | undefined {
  return topic.startsWith('c:') ? topic.slice(2) : undefined;
}
