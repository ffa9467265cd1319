/**
 * What must be true of the settings beyond their spelling: files that can be read, keys that are keys, a
 * directory that may be written, addresses that can be listened on. The one list of them: a start requires
 * each before it touches anything, and the doctor tells of each.
 */
import { createAuthenticator } from './auth/authenticator.ts';
import { AUTHENTICATOR_LIMITS } from './bounds/auth.ts';
import type { Config } from './config.ts';
import { requireDataDir } from './embedded/data-dir.ts';
import { ownAddress } from './peers/own-address.ts';
import { findPort } from './realtime/find-port.ts';
import { requireTlsFiles } from './realtime/uws.ts';

export interface Prerequisite {
  /** What is looked at: `TLS`, `Port 3006` … */
  readonly subject: string;
  /** What can be said of it when it is as it must be. */
  readonly found: string;
  /** What to do when it is not. */
  readonly advice: string;
  /** Changes nothing. @throws Error (or rejects) with one sentence that names the settings */
  require(): Promise<void> | void;
}

/** All that these settings call for. */
export function prerequisitesOf(config: Config): Prerequisite[] {
  const { auth, database, host, metrics, peers, port, redis, tls } = config;
  const all: Prerequisite[] = [];
  if (tls !== null) {
    all.push({
      subject: 'TLS',
      found: 'key and certificate can be used',
      advice: 'Both are files in PEM that this user may read, and belong together.',
      require: () => requireTlsFiles(tls),
    });
  }
  if (auth.mode === 'jwt') {
    all.push({
      subject: 'Keys',
      found: 'can be used',
      advice: 'docs/identity.md says which keys there may be.',
      require: () => void createAuthenticator(auth, AUTHENTICATOR_LIMITS),
    });
  }
  if (database.url === null) {
    all.push({
      subject: 'DATA_DIR',
      found: `${database.dataDir} can be used`,
      advice: 'Name a directory that this user may write, or set DATABASE_URL.',
      require: () => requireDataDir(database.dataDir),
    });
  }
  all.push(address(host, port, 'HOST and PORT'));
  if (metrics.port !== null) all.push(address(host, metrics.port, 'HOST and METRICS_PORT'));
  // Without Redis nobody is told the address, and nothing listens there.
  if (redis.url !== null) {
    all.push(address(ownAddress(peers.host), peers.port, 'PEER_HOST and PEER_PORT'));
  }
  return all;
}

/** @throws Error (rejection) with the sentence of the first that is not met */
export async function requirePrerequisites(config: Config): Promise<void> {
  for (const prerequisite of prerequisitesOf(config)) await prerequisite.require();
}

/** What the prerequisite of a certain port is called. */
export function subjectOf(port: number): string {
  return `Port ${port}`;
}

/** @param settings the names of both, for whoever is to change them */
function address(host: string, port: number, settings: string): Prerequisite {
  return {
    subject: port === 0 ? `Any port (${settings})` : subjectOf(port),
    found: `free on ${host}`,
    advice: `Stop what listens there, or set ${settings}.`,
    async require() {
      try {
        await findPort(host, port);
      } catch (error) {
        if (error instanceof Error) error.message += ` (${settings})`;
        throw error;
      }
    },
  };
}
