/** People and conversations for a test, made straight in the database. */
import { randomUUID } from 'node:crypto';
import type postgres from 'postgres';

export interface TestPerson {
  id: string;
  name: string;
}

export async function createPerson(sql: postgres.Sql, name: string): Promise<TestPerson> {
  const id = randomUUID();
  await sql`INSERT INTO auth.users (id, name) VALUES (${id}, ${name})`;
  return { id, name };
}

/** A request match, to which a conversation may belong. */
export async function createMatch(sql: postgres.Sql): Promise<string> {
  const id = randomUUID();
  await sql`INSERT INTO requests.matches (id) VALUES (${id})`;
  return id;
}

/** A conversation of these people; returns its id. */
export async function createConversation(
  sql: postgres.Sql,
  people: readonly TestPerson[],
): Promise<string> {
  const id = randomUUID();
  await sql`INSERT INTO messaging.conversations (id) VALUES (${id})`;
  for (const person of people) {
    await sql`
      INSERT INTO messaging.conversation_participants (conversation_id, participant_id)
      VALUES (${id}, ${person.id})`;
  }
  return id;
}
