/** The triggers without which positions and member lists would silently go wrong. */
import { DatabaseUnavailable, type Sql } from './link.ts';

const EXPECTED: readonly (readonly [table: string, trigger: string])[] = [
  ['conversations', 'place_conversation'],
  ['conversation_participants', 'place_participant'],
  ['conversation_participants', 'count_membership_insert'],
  ['conversation_participants', 'count_membership_delete'],
];

/** The triggers that are missing or disabled, as `table.trigger`; asked often, so by the tables' own index. */
export async function findMissingTriggers(sql: Sql): Promise<string[]> {
  // O: enabled as usual, A: always. Others do not fire in our sessions.
  const rows = await sql<{ name: string }[]>`
    SELECT c.relname || '.' || t.tgname AS name
    FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
    WHERE t.tgenabled IN ('O', 'A') AND t.tgrelid IN (
      to_regclass('messaging.conversations'), to_regclass('messaging.conversation_participants')
    )`;
  const there = new Set(rows.map(({ name }) => name));
  return EXPECTED.map(([table, trigger]) => `${table}.${trigger}`).filter(
    (name) => !there.has(name),
  );
}

/**
 * Refuses a database that is being restored. A dump has its tables first, then their rows, and its triggers
 * last: until then what is not there proves nothing, and what is written would go wrong.
 *
 * @throws DatabaseUnavailable `incomplete`, naming what is missing
 */
export async function requireTriggers(sql: Sql): Promise<void> {
  const missing = await findMissingTriggers(sql);
  if (missing.length === 0) return;
  const what = `triggers are missing or disabled: ${missing.join(', ')}`;
  throw new DatabaseUnavailable('incomplete', new Error(what));
}

/** Whether an error says that the database is being restored. */
export function isIncomplete(error: unknown): boolean {
  return error instanceof DatabaseUnavailable && error.reason === 'incomplete';
}
