// Who may connect, and by which URL.

import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { EmbeddedPostgresError, errorCode } from './errors.ts';
import { writeOwnedFile } from './owned-files.ts';
import type { ClusterPlace } from './place.ts';

/**
 * No password on the socket: its directory lets in the account PostgreSQL runs as and root, and nobody
 * else, as the kernel checks at each connect. Both read the database's files, and would read the password
 * beside them, so it would keep nobody out. Over TCP, where everybody on the machine comes by, it is asked for.
 */
const RULES = `local all all trust
host all all 127.0.0.1/32 scram-sha-256
`;

/**
 * Writes the rules and returns their path. They stand in for the cluster's own pg_hba.conf, which stays as
 * the release before made it: that asks for the password everywhere, and must go on starting.
 */
export async function writeAccessRules({ dataDir }: ClusterPlace): Promise<string> {
  const path = join(dataDir, 'postgres-hba.conf');
  await rm(path, { force: true });
  await writeOwnedFile(path, RULES, { mode: 0o644 }); // the account reads it
  return path;
}

/** The superuser's way through the socket in `directory`. */
export function socketUrl(directory: string): string {
  return `postgres://postgres@${encodeURIComponent(directory)}/postgres`;
}

/**
 * The superuser's way through a TCP port of 127.0.0.1, password included.
 *
 * @throws EmbeddedPostgresError when the password is missing
 */
export async function tcpUrl({ passwordFile, clusterDir }: ClusterPlace, port: number) {
  const password = await readFile(passwordFile, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  });
  if (password.trim() === '') {
    throw new EmbeddedPostgresError(
      `The password of the embedded PostgreSQL, ${passwordFile}, is missing: restore it or move ${clusterDir} away to begin with an empty database.`,
    );
  }
  return `postgres://postgres:${password.trim()}@127.0.0.1:${port}/postgres`;
}
