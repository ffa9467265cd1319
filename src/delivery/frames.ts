/** Socket.IO frames of the chat's events, encoded once for everybody who gets them. */
import type { ServerEvent, ServerEventPayload } from '../chat/events.ts';
import type { Message } from '../chat/schemas.ts';
import { encodeTextEvent } from '../protocol/socket-packet.ts';

/** `42["user_typing",{…}]` */
export function eventFrame<E extends ServerEvent>(
  event: E,
  payload: ServerEventPayload<E>,
): string {
  return encodeTextEvent(event, JSON.stringify(payload));
}

// The acknowledgement and the broadcast of one message are encoded one right after the other.
let lastMessage: Message | null = null;
let lastJson = '';

/** The message as JSON text. */
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
