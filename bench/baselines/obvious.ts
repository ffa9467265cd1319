/**
 * The obvious implementation: socket.io, express and pg on one port, each step of a send a query of
 * its own. The same tables and indexes as the product's; its pool and socket.io are set sensibly.
 */
import { createServer } from 'node:http';
import pg from 'pg';
import { Server } from 'socket.io';
import { createRestApp } from './express-rest.ts';
import { announce } from './listening.ts';
import { forgetRequest } from './memory-chat.ts';
import { MESSAGE_COLUMNS, type StoredMessage } from './message.ts';

type Ack = (answer: object) => void;
interface Join {
  conversation_id: string;
  after_seq?: number;
}
interface Send {
  conversation_id: string;
  content: string;
}

pg.types.setTypeParser(1114, (text) => new Date(`${text}Z`));
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL ?? '', max: 10 });

async function isMember(conversationId: string, userId: string): Promise<boolean> {
  const { rowCount } = await pool.query(
    'SELECT 1 FROM messaging.conversation_participants WHERE conversation_id = $1 AND participant_id = $2',
    [conversationId, userId],
  );
  return rowCount === 1;
}

/** Membership, update, insert, name: a round trip each. */
async function store(
  conversationId: string,
  senderId: string,
  content: string,
): Promise<StoredMessage | null> {
  if (!(await isMember(conversationId, senderId))) return null;
  const conversation = await pool.query<{ last_seq: number }>(
    `UPDATE messaging.conversations SET last_seq = last_seq + 1, last_message_at = now() AT TIME ZONE 'UTC'
     WHERE id = $1 RETURNING last_seq::int`,
    [conversationId],
  );
  const inserted = await pool.query<StoredMessage>(
    `INSERT INTO messaging.messages (conversation_id, sender_id, content, seq)
     VALUES ($1, $2, $3, $4)
     RETURNING id, conversation_id, seq::int, sender_id, NULL AS sender_name, content, message_type,
       media_url, client_message_id, status, created_at`,
    [conversationId, senderId, content, conversation.rows[0]?.last_seq],
  );
  const sender = await pool.query<{ name: string }>('SELECT name FROM auth.users WHERE id = $1', [
    senderId,
  ]);
  const [message] = inserted.rows;
  if (message === undefined) return null;
  message.sender_name = sender.rows[0]?.name ?? null;
  return message;
}

const http = createServer(createRestApp(pool, store));
const io = new Server(http, { perMessageDeflate: false, httpCompression: false });

const refuse = (ack: Ack) => (error: unknown) =>
  ack({ success: false, error: { code: 'unavailable', message: String(error) } });

io.on('connection', (socket) => {
  const userId = String(socket.handshake.query.userId);
  forgetRequest(socket);

  async function join({ conversation_id, after_seq }: Join, ack: Ack): Promise<void> {
    if (!(await isMember(conversation_id, userId))) {
      ack({ success: false, error: { code: 'not_a_participant' } });
      return;
    }
    socket.join(conversation_id);
    const { rows } = await pool.query<{ last_seq: number }>(
      'SELECT last_seq::int FROM messaging.conversations WHERE id = $1',
      [conversation_id],
    );
    if (after_seq !== undefined) {
      const missed = await pool.query<StoredMessage>(
        `SELECT ${MESSAGE_COLUMNS} FROM messaging.messages m JOIN auth.users u ON u.id = m.sender_id
         WHERE m.conversation_id = $1 AND m.seq > $2 ORDER BY m.seq`,
        [conversation_id, after_seq],
      );
      for (const message of missed.rows) socket.emit('new_message', message);
    }
    ack({ success: true, data: { conversation_id, last_seq: rows[0]?.last_seq ?? 0 } });
  }

  async function send({ conversation_id, content }: Send, ack: Ack): Promise<void> {
    const message = await store(conversation_id, userId, content);
    if (message === null) {
      ack({ success: false, error: { code: 'not_a_participant' } });
      return;
    }
    ack({ success: true, data: message });
    io.to(conversation_id).emit('new_message', message);
  }

  socket.on('join_conversation', (payload: Join, ack: Ack) => {
    join(payload, ack).catch(refuse(ack));
  });
  socket.on('send_message', (payload: Send, ack: Ack) => {
    send(payload, ack).catch(refuse(ack));
  });
});

http.listen(0, '127.0.0.1', () => {
  const address = http.address();
  announce(typeof address === 'object' && address !== null ? address.port : 0);
});
