/**
 * The people of a database of our own (the embedded one), for the page that lets one pick and make
 * them. Never to be used on another database: auth.users belongs to others there.
 */
import { randomUUID } from 'node:crypto';
import { MAX_PEOPLE } from '../bounds/store.ts';
import type { CanonicalId } from '../shared/ids.ts';
import type { Database } from './database.ts';

export interface DemoPerson {
  id: CanonicalId;
  name: string | null;
}

/** Lists and makes people, for a database of our own. */
export function createDemoPeople(database: Database) {
  return {
    /** The people in the order of their names; at most `MAX_PEOPLE`. */
    list(): Promise<DemoPerson[]> {
      return database.query(
        (sql) =>
          sql<DemoPerson[]>`SELECT id, name FROM auth.users ORDER BY name, id LIMIT ${MAX_PEOPLE}`,
      );
    },

    /** Makes a person; null when there are enough. */
    async create(name: string): Promise<DemoPerson | null> {
      const id = randomUUID();
      const rows = await database.query(
        (sql) => sql<DemoPerson[]>`
          INSERT INTO auth.users (id, name)
          SELECT ${id}::uuid, ${name}::text
          WHERE (SELECT count(*) FROM auth.users) < ${MAX_PEOPLE}
          RETURNING id, name`,
      );
      return rows[0] ?? null;
    },
  };
}
