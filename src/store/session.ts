/**
 * What every session with PostgreSQL is set to, whatever the owner of the database or of the role has made
 * the default: settings that change what text means, what is seen, or how long anything waits.
 *
 * Set by a statement and not at the start of the session: a pooler refuses a connection whose startup packet
 * names what it does not know, or ignores it. `default_transaction_read_only` is left alone: it is the word of
 * the operator that nothing is to be written.
 */
import type postgres from 'postgres';

/** What text means, in and out, and what a statement sees. */
const MEANING: Record<string, string> = {
  client_encoding: 'UTF8',
  TimeZone: 'UTC',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  array_nulls: 'on',
  standard_conforming_strings: 'on',
  // What waits for a lock reads afterwards what was committed meanwhile, which only this shows it.
  default_transaction_isolation: 'read committed',
};

/** Sends what sets the session, with settings of its own besides. To be awaited with what is sent behind it. */
export function setSession(sql: postgres.Sql, settings: Readonly<Record<string, string | number>>) {
  const all = Object.entries({ ...MEANING, ...settings });
  // Names of ours all have their schema. Those of others' triggers are looked for where they always were, but
  // nothing stands before what PostgreSQL itself calls by a name.
  return sql`
    SELECT set_config(s.name, s.setting, false) FROM unnest(
      ${all.map(([name]) => name)}::text[], ${all.map(([, value]) => String(value))}::text[]
    ) AS s (name, setting)
    UNION ALL
    SELECT set_config('search_path', concat_ws(', ', 'pg_catalog',
      nullif(regexp_replace(current_setting('search_path'), '^(pg_catalog(, )?)+', ''), '')), false)`.execute();
}
