/** A client of the package as its users write one; compiled, never run. */
import type {
  AcknowledgedEvents,
  Acknowledgement,
  ClientToServerEvents,
  ServerToClientEvents,
} from 'messaging-service/events';
import { io, type Socket } from 'socket.io-client';

const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io('http://localhost:3006');
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

const loose: Acknowledgement<'send_message'> = await socket.emitWithAck('send_message', {
  conversation_id,
  content: 'Hi',
  client_message_id: null,
});
if (loose.success) console.log(loose.data.duplicate satisfies true | undefined);

const strict = io('http://localhost:3006') as Socket<ServerToClientEvents, AcknowledgedEvents>;
const answer = await strict.emitWithAck('mark_read', { conversation_id });
if (answer.success) console.log(answer.data.last_read_seq.toFixed());
// @ts-expect-error what is acknowledged is known
console.log(answer.seq);
