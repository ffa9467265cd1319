/** The REST calls of the bench as one writes them with Express and pg. */
import express, { type NextFunction, type Request, type Response } from 'express';
import type pg from 'pg';
import { MESSAGE_COLUMNS, type StoredMessage } from './message.ts';

type Store = (
  conversationId: string,
  senderId: string,
  content: string,
) => Promise<StoredMessage | null>;

const number = (value: unknown, otherwise: number): number =>
  value === undefined ? otherwise : Number(value);

export function createRestApp(pool: pg.Pool, store: Store): express.Express {
  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  app.use(express.json());

  app.get('/health', (_req, res) => {
    res.json({ success: true, data: { status: 'healthy' } });
  });

  app.get('/messages/conversations/:userId', async (req, res) => {
    const { rows } = await pool.query(
      `SELECT c.id, c.request_match_id, c.last_message_at, c.created_at, c.last_seq::int,
         p.last_read_seq::int,
         (SELECT json_agg(json_build_object('id', u.id, 'name', u.name))
          FROM messaging.conversation_participants q JOIN auth.users u ON u.id = q.participant_id
          WHERE q.conversation_id = c.id) AS participants,
         (SELECT row_to_json(m) FROM messaging.messages m
          WHERE m.conversation_id = c.id ORDER BY m.seq DESC LIMIT 1) AS last_message,
         (SELECT count(*)::int FROM messaging.messages m WHERE m.conversation_id = c.id
          AND m.seq > p.last_read_seq AND m.sender_id <> p.participant_id) AS unread_count
       FROM messaging.conversation_participants p
       JOIN messaging.conversations c ON c.id = p.conversation_id
       WHERE p.participant_id = $1
       ORDER BY coalesce(c.last_message_at, c.created_at) DESC, c.id LIMIT $2`,
      [req.params.userId, number(req.query.limit, 100)],
    );
    res.json({ success: true, data: rows });
  });

  app.get('/messages/:conversationId', async (req, res) => {
    const { conversationId } = req.params;
    const userId = req.get('x-user-id');
    if (userId !== undefined) {
      const member = await pool.query(
        'SELECT 1 FROM messaging.conversation_participants WHERE conversation_id = $1 AND participant_id = $2',
        [conversationId, userId],
      );
      if (member.rowCount === 0) {
        res.status(403).json({ success: false, error: { code: 'not_a_participant' } });
        return;
      }
    }
    const page = await pool.query<StoredMessage>(
      `SELECT ${MESSAGE_COLUMNS} FROM messaging.messages m JOIN auth.users u ON u.id = m.sender_id
       WHERE m.conversation_id = $1 ORDER BY m.seq DESC LIMIT $2 OFFSET $3`,
      [conversationId, number(req.query.limit, 50), number(req.query.offset, 0)],
    );
    // Not count(*): its cost at depth would be all that is seen here.
    const total = await pool.query<{ total: number }>(
      'SELECT last_seq::int AS total FROM messaging.conversations WHERE id = $1',
      [conversationId],
    );
    res.json({
      success: true,
      data: { messages: page.rows.reverse(), total: total.rows[0]?.total ?? 0 },
    });
  });

  app.post('/messages/:conversationId', async (req, res) => {
    const { content }: { content: string } = req.body;
    const message = await store(req.params.conversationId, req.get('x-user-id') ?? '', content);
    if (message === null) {
      res.status(403).json({ success: false, error: { code: 'not_a_participant' } });
    } else res.status(201).json({ success: true, data: message });
  });

  app.post('/messages', async (req, res) => {
    const { participant_ids: ids }: { participant_ids: string[] } = req.body;
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      const made = await client.query<{ id: string }>(
        'INSERT INTO messaging.conversations DEFAULT VALUES RETURNING *',
      );
      const conversation = made.rows[0];
      for (const id of ids) {
        await client.query(
          `INSERT INTO messaging.conversation_participants (conversation_id, participant_id, listed_at)
           VALUES ($1, $2, now() AT TIME ZONE 'UTC')`,
          [conversation?.id, id],
        );
      }
      await client.query('COMMIT');
      res.status(201).json({ success: true, data: { ...conversation, participants: ids } });
    } catch (error) {
      await client.query('ROLLBACK');
      throw error;
    } finally {
      client.release();
    }
  });

  app.use((error: unknown, _req: Request, res: Response, _next: NextFunction) => {
    res.status(500).json({ success: false, error: { message: String(error) } });
  });
  return app;
}
