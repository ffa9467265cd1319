/** Socket.IO frames of the chat's events, encoded once for everybody who gets them. */
import type { ServerEvent, ServerEventPayload } from '../chat/events.ts';
import type { DeliveredMark, MembershipChange, ReadMark } from '../chat/ports.ts';
import type { Message } from '../chat/schemas.ts';
import { encodeTextEvent } from '../protocol/socket-packet.ts';

/** Any event but a message: `42["user_typing",{…}]`. */
export function eventFrame<E extends ServerEvent>(
  event: E,
  payload: ServerEventPayload<E>,
): string {
  return encodeTextEvent(event, JSON.stringify(payload));
}

// The acknowledgement and the broadcast of one message are encoded one right after the other.
let lastMessage: Message | null = null;
let lastJson = '';

/** The message as JSON text; the one asked for last is remembered. */
export function messageJson(message: Message): string {
  if (message !== lastMessage) {
    lastMessage = message;
    lastJson = JSON.stringify(message);
  }
  return lastJson;
}

/** `42["new_message",{…}]` */
export function messageFrame(message: Message): string {
  return encodeTextEvent('new_message', messageJson(message));
}

/** `42["participant_added",{…}]` */
export function membershipFrame(
  action: 'added' | 'removed',
  { conversationId, userId }: MembershipChange,
): string {
  return eventFrame(action === 'added' ? 'participant_added' : 'participant_removed', {
    conversation_id: conversationId,
    user_id: userId,
  });
}

/** `42["messages_read",{…}]` */
export function readFrame(read: ReadMark): string {
  return eventFrame('messages_read', {
    conversation_id: read.conversationId,
    user_id: read.userId,
    last_read_seq: read.lastReadSeq,
  });
}

/** `42["messages_delivered",{…}]` */
export function deliveredFrame(delivered: DeliveredMark): string {
  return eventFrame('messages_delivered', {
    conversation_id: delivered.conversationId,
    user_id: delivered.userId,
    last_delivered_seq: delivered.lastDeliveredSeq,
  });
}
