/** How far a database has been migrated. Reads only: nothing is created, nothing is locked. */
import type postgres from 'postgres';
import { readMigrations, SQL_DIRECTORY } from './migrate.ts';

export interface MigrationStatus {
  applied: string[];
  /** Files that `migrate` would apply, in this order. */
  pending: string[];
  /** Migrations applied from a file that reads otherwise now. */
  changed: string[];
  /** Migrations applied by a newer version of this service. */
  unknown: string[];
}

/**
 * Compares the database with the files of sql/.
 *
 * @throws the driver's error when the database does not answer
 */
export async function readMigrationStatus(
  sql: postgres.Sql,
  directory: string = SQL_DIRECTORY,
): Promise<MigrationStatus> {
  const migrations = await readMigrations(directory);
  const [found] = await sql`SELECT to_regclass('messaging.schema_migrations') IS NOT NULL AS there`;
  const rows =
    found?.there === true
      ? await sql<{ name: string; checksum: string }[]>`
          SELECT name, checksum FROM messaging.schema_migrations ORDER BY name`
      : [];
  const recorded = new Map(rows.map(({ name, checksum }) => [name, checksum]));
  const known = new Set(migrations.map(({ name }) => name));
  return {
    applied: [...recorded.keys()],
    pending: migrations.map(({ name }) => name).filter((name) => !recorded.has(name)),
    changed: migrations
      .filter(({ name, checksum }) => (recorded.get(name) ?? checksum) !== checksum)
      .map(({ name }) => name),
    unknown: [...recorded.keys()].filter((name) => !known.has(name)),
  };
}
