/** The one way to the driver: every connection to PostgreSQL is made of a URL that is read here. */
import postgres from 'postgres';
import { readPostgresUrl } from '../shared/postgres-url.ts';

/**
 * A postgres.js instance for the database at `url`, which connects when it is first used.
 *
 * @throws Error in one sentence, without a part of the URL, when it is not understood
 */
export function connectPostgres<T extends Record<string, postgres.PostgresType>>(
  url: string,
  options: postgres.Options<T>,
) {
  const target = readPostgresUrl(url);
  if ('fault' in target) throw new Error(`DATABASE_URL ${target.fault}`);
  const { socket } = target;
  if (socket === undefined) return postgres(target.url, options);
  const { path, user, password, database } = socket;
  return postgres(target.url, {
    ...options,
    path,
    // Not spoken on a Unix socket, whatever `sslmode` says: as in libpq.
    ssl: false,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    ...(database === undefined ? {} : { database }),
  });
}
