/**
 * Whether the service can do in this database what it is for, found out before the first user does: a
 * conversation, a participant and a message are written as the service writes them, and rolled back.
 */
import { NIL_UUID, newId } from '../shared/ids.ts';
import { type Database, DatabaseUnavailable, type Sql } from './database.ts';
import { isServerError } from './link.ts';
import { Unchanged } from './transaction.ts';
import { findMissingTriggers } from './triggers.ts';

const FOREIGN_KEY_VIOLATION = '23503';
/** Characters of one, two, three and four bytes in UTF-8. */
const TEXT = 'aéक😀';

/**
 * Tries it.
 *
 * @throws Error in one sentence: a trigger is missing or disabled, the encoding is not UTF8, a row is
 *   refused (a column of somebody else's that must not be null, a missing right, another type)
 */
export async function tryDatabase(database: Database): Promise<void> {
  const [encoding, missing] = await database.query((sql) =>
    Promise.all([readEncoding(sql), findMissingTriggers(sql)]),
  );
  if (encoding !== 'UTF8') {
    throw new Error(`The database is encoded in ${encoding}: messages need one in UTF8.`);
  }
  if (missing.length > 0) {
    throw new Error(
      `The database lacks triggers, or they are disabled (${missing.join(', ')}): positions and members ` +
        'would go wrong. Enable them, or restore the schema from a dump.',
    );
  }
  try {
    await database.transaction(async (sql) => {
      await write(sql);
      return new Unchanged(null);
    });
  } catch (failure) {
    const error = failure instanceof DatabaseUnavailable ? failure.cause : failure;
    if (!isServerError(error)) throw failure;
    // There may be no user yet to send anything.
    if (error.code === FOREIGN_KEY_VIOLATION && error.table_name === 'messages') return;
    throw new Error(`A message cannot be stored in this database: ${error.message}.`, {
      cause: error,
    });
  }
}

async function readEncoding(sql: Sql): Promise<string | undefined> {
  const [row] = await sql<{ encoding: string }[]>`
    SELECT current_setting('server_encoding') AS encoding`;
  return row?.encoding;
}

async function write(sql: Sql): Promise<void> {
  const id = newId();
  const [user] = await sql<{ id: string }[]>`SELECT id, name::text FROM auth.users LIMIT 1`;
  await sql`INSERT INTO messaging.conversations (id) VALUES (${id})`;
  if (user !== undefined) {
    await sql`
      INSERT INTO messaging.conversation_participants
        (conversation_id, participant_id, last_read_seq, last_delivered_seq)
      VALUES (${id}, ${user.id}, 0, 0)`;
  }
  // Nothing, by the function that all messages are stored by: it is there, and may be called.
  await sql`
    SELECT FROM messaging.append_messages('{}'::uuid[], FALSE, FALSE, '{}'::uuid[], '{}'::uuid[],
      '{}'::uuid[], '{}'::text[], '{}'::text[], '{}'::text[], '{}'::text[], '{}'::bigint[])`;
  await sql`UPDATE messaging.conversations SET last_seq = 1 WHERE id = ${id}`;
  await sql`
    INSERT INTO messaging.messages (id, conversation_id, seq, sender_id, content, message_type,
      media_url, client_message_id, status, created_at)
    VALUES (${newId()}, ${id}, 1, ${user?.id ?? NIL_UUID}, ${TEXT}, 'text', NULL, ${id}, 'sent',
      clock_timestamp() AT TIME ZONE 'UTC')`;
  await sql`
    UPDATE messaging.messages SET status = 'delivered' WHERE conversation_id = ${id} AND seq = 1`;
}
