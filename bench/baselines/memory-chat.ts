/**
 * Rooms without storage, as one would write them with socket.io: what delivery itself costs. The
 * same program on every server that speaks Socket.IO.
 */
import { randomUUID } from 'node:crypto';
import type { Server, Socket } from 'socket.io';
import type { StoredMessage } from './message.ts';

interface Join {
  conversation_id: string;
}
interface Send extends Join {
  content: string;
}
type Ack = (answer: object) => void;

/** Counts the seqs of conversations. */
export function createCounter() {
  const seqs = new Map<string, number>();
  return {
    last: (conversationId: string): number => seqs.get(conversationId) ?? 0,
    message(conversationId: string, senderId: string, content: string): StoredMessage {
      const seq = (seqs.get(conversationId) ?? 0) + 1;
      seqs.set(conversationId, seq);
      return {
        id: randomUUID(),
        conversation_id: conversationId,
        seq,
        sender_id: senderId,
        sender_name: 'Somebody',
        content,
        message_type: 'text',
        media_url: null,
        client_message_id: null,
        status: 'sent',
        created_at: new Date().toISOString(),
      };
    },
  };
}

/** As the documentation of socket.io recommends for memory: the first request is not needed again. */
export function forgetRequest(socket: Socket): void {
  Reflect.set(socket.conn, 'request', null);
}

export function serveMemoryChat(io: Server): void {
  const counter = createCounter();
  io.on('connection', (socket) => {
    const userId = String(socket.handshake.query.userId);
    forgetRequest(socket);
    socket.on('join_conversation', ({ conversation_id }: Join, ack: Ack) => {
      socket.join(conversation_id);
      ack({ success: true, data: { conversation_id, last_seq: counter.last(conversation_id) } });
    });
    socket.on('send_message', ({ conversation_id, content }: Send, ack: Ack) => {
      const message = counter.message(conversation_id, userId, content);
      ack({ success: true, data: message });
      io.to(conversation_id).emit('new_message', message);
    });
  });
}
