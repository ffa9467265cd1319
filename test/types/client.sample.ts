/** A client of the package as its users write one; compiled, never run. */
import type {
  Acknowledgement,
  ClientToServerEvents,
  MessagingSocket,
  ServerToClientEvents,
} from 'messaging-service/events';
import { io, type Socket } from 'socket.io-client';

const socket: MessagingSocket = io('http://localhost:3006');
const conversation_id = '00000000-0000-4000-8000-0000000000c0';

socket.on('new_message', (message) => {
  const seq: number = message.seq;
  const sender: string | null = message.sender_name;
  const type: 'text' | 'image' | 'location' = message.message_type;
  console.log(seq, sender, type);
  // @ts-expect-error a message has no such field
  console.log(message.body);
});
// @ts-expect-error there is no such event
socket.on('new_mesage', () => undefined);

socket.emit('join_conversation', conversation_id);
socket.emit('join_conversation', { conversation_id, after_seq: 7 }, (answer) => {
  if (answer.success) console.log(answer.data.unread_count.toFixed(), answer.data.resync);
  else console.log(answer.error.code satisfies string);
  // @ts-expect-error data is there only after success
  console.log(answer.data);
});
socket.emit('typing_start', { conversation_id });
// @ts-expect-error content is missing
socket.emit('send_message', { conversation_id });
// @ts-expect-error a seq is a number
socket.emit('message_delivered', { conversation_id, up_to_seq: '7' });
// @ts-expect-error only joining and leaving take a bare id
socket.emit('mark_read', conversation_id);
// @ts-expect-error there is no such event
socket.emit('shout', { conversation_id });

const answer = await socket.emitWithAck('mark_read', { conversation_id });
if (answer.success) console.log(answer.data.last_read_seq.toFixed());
else console.log(answer.error.message.trim());
// @ts-expect-error what is acknowledged is known
console.log(answer.seq);
// @ts-expect-error and only in the envelope: an `any` would let this pass
answer satisfies number;
const sent = await socket.emitWithAck('send_message', { conversation_id, content: 'Hi' });
if (sent.success) console.log(sent.data.duplicate satisfies true | undefined);
// @ts-expect-error content is missing
await socket.emitWithAck('send_message', { conversation_id });
// @ts-expect-error there is no such event
await socket.emitWithAck('shout', { conversation_id });

socket.timeout(5_000).emit('mark_read', { conversation_id }, (lost, late) => {
  lost satisfies Error;
  if (late.success) console.log(late.data.marked.toFixed());
  // @ts-expect-error the answer is no number
  late satisfies number;
});
const named: Acknowledgement<'mark_read'> = await socket
  .timeout(5_000)
  .emitWithAck('mark_read', { conversation_id });
console.log(named.success);

// The usual form, for whoever wants every event acknowledged.
const strict: Socket<ServerToClientEvents, ClientToServerEvents> = io('http://localhost:3006');
const joined = await strict.emitWithAck('join_conversation', conversation_id);
if (joined.success) console.log(joined.data.last_seq.toFixed());
// @ts-expect-error what is acknowledged is known
joined satisfies number;
// @ts-expect-error somebody must wait for the answer
strict.emit('typing_start', { conversation_id });
