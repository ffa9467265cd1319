/**
 * Three people and a conversation to try things out with. Only for a database of our own (the
 * embedded one): auth.users is not ours to write to anywhere else.
 */
import type { Database } from './database.ts';

/** The people of the demo, with ids that documentation can name. */
export const demoUsers = [
  { id: '00000000-0000-4000-8000-00000000000a', name: 'Alice' },
  { id: '00000000-0000-4000-8000-00000000000b', name: 'Bob' },
  { id: '00000000-0000-4000-8000-00000000000c', name: 'Carol' },
] as const;

/** The conversation all three are in. */
export const demoConversationId = '00000000-0000-4000-8000-0000000000c0';

/** Inserts them when there are no users at all; whether it did. Safe to call again and at once. */
export function insertDemoData(database: Database): Promise<boolean> {
  const ids = demoUsers.map(({ id }) => id);
  const names = demoUsers.map(({ name }) => name);
  return database.transaction(async (sql) => {
    const [, inserted] = await Promise.all([
      // Two processes on one database: the second waits, and then finds users.
      sql`LOCK TABLE auth.users IN SHARE ROW EXCLUSIVE MODE`,
      sql`
        INSERT INTO auth.users (id, name)
        SELECT * FROM unnest(${ids}::uuid[], ${names}::text[])
        WHERE NOT EXISTS (SELECT FROM auth.users)`,
    ]);
    if (inserted.count === 0) return false;
    await Promise.all([
      sql`INSERT INTO messaging.conversations (id) VALUES (${demoConversationId}::uuid)`,
      sql`
        INSERT INTO messaging.conversation_participants (conversation_id, participant_id)
        SELECT ${demoConversationId}::uuid, x FROM unnest(${ids}::uuid[]) AS x`,
    ]);
    return true;
  });
}
