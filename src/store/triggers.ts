/** The triggers without which positions and member lists would silently go wrong. */
import { DatabaseUnavailable, type Sql } from './link.ts';

const EXPECTED: readonly (readonly [table: string, trigger: string])[] = [
  ['conversations', 'place_conversation'],
  ['conversation_participants', 'place_participant'],
  ['conversation_participants', 'count_membership_insert'],
  ['conversation_participants', 'count_membership_delete'],
];

/** The triggers that are missing or disabled, as `table.trigger`. */
export async function findMissingTriggers(sql: Sql): Promise<string[]> {
  return missingFrom((await firing(sql)).map(({ name }) => name));
}

/** The query for the triggers that are there and fire; asked often, so by the tables' own index. */
export function firing(sql: Sql) {
  // O: enabled as usual, A: always. Others do not fire in our sessions.
  return sql<{ name: string }[]>`
    SELECT c.relname || '.' || t.tgname AS name
    FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
    WHERE t.tgenabled IN ('O', 'A') AND t.tgrelid IN (
      to_regclass('messaging.conversations'), to_regclass('messaging.conversation_participants')
    )`;
}

function missingFrom(there: readonly string[]): string[] {
  const names = EXPECTED.map(([table, trigger]) => `${table}.${trigger}`);
  return names.filter((name) => !there.includes(name));
}

/**
 * Refuses a database that is being restored. A dump has its tables first, then their rows, and its triggers
 * last: until then what is not there proves nothing, and what is written would go wrong.
 *
 * @throws DatabaseUnavailable `incomplete`, naming what is missing
 */
export async function requireTriggers(sql: Sql): Promise<void> {
  requireAll((await firing(sql)).map(({ name }) => name));
}

/**
 * The same, by what `firing` has answered.
 *
 * @throws as `requireTriggers`
 */
export function requireAll(there: readonly string[]): void {
  const missing = missingFrom(there);
  if (missing.length === 0) return;
  const what = `triggers are missing or disabled: ${missing.join(', ')}`;
  throw new DatabaseUnavailable('incomplete', new Error(what));
}

/** Whether an error says that the database is being restored. */
export function isIncomplete(error: unknown): boolean {
  return error instanceof DatabaseUnavailable && error.reason === 'incomplete';
}
