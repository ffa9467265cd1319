/** The triggers without which positions and member lists would silently go wrong. */
import type { Sql } from './link.ts';

const EXPECTED: readonly (readonly [table: string, trigger: string])[] = [
  ['conversations', 'place_conversation'],
  ['conversation_participants', 'place_participant'],
  ['conversation_participants', 'count_membership_insert'],
  ['conversation_participants', 'count_membership_delete'],
];

/** Those that are missing or disabled, as `table.trigger`. */
export async function findMissingTriggers(sql: Sql): Promise<string[]> {
  // O: enabled as usual, A: always. Others do not fire in our sessions.
  const rows = await sql<{ name: string }[]>`
    SELECT c.relname || '.' || t.tgname AS name
    FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace = to_regnamespace('messaging') AND t.tgenabled IN ('O', 'A')`;
  const there = new Set(rows.map(({ name }) => name));
  return EXPECTED.map(([table, trigger]) => `${table}.${trigger}`).filter(
    (name) => !there.has(name),
  );
}
