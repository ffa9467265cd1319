/** ejabberd as a process of a bench: what it is asked, and that nothing of it is left behind. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findEjabberd, startEjabberd } from '../../bench/harness/ejabberd.ts';
import type { Server } from '../../bench/harness/server.ts';
import { XMPP_PASSWORD, XmppClient } from '../../bench/load/xmpp-client.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { waitFor } from '../support/wait.ts';

const START_MS = 60_000;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROGRAM = fileURLToPath(new URL('ejabberd-process.ts', import.meta.url));
const ejabberd = findEjabberd();

/** What benches keep in a directory. */
const keptIn = (directory: string): string[] =>
  readdirSync(directory).filter((name) => name.startsWith('messaging-bench-'));
const lives = (pid: number): boolean => existsSync(`/proc/${pid}`);

describe.skipIf(ejabberd === null)('ejabberd', { timeout: START_MS }, () => {
  let database: TestDatabase;
  /** Where temporary files go meanwhile. */
  let place: string;
  const usual = process.env.TMPDIR;

  beforeAll(async () => {
    place = mkdtempSync(join(tmpdir(), 'messaging-test-ejabberd-'));
    process.env.TMPDIR = place;
    database = await createTestDatabase({ migrate: false });
    await database.sql.unsafe(ejabberd?.schema ?? '');
  });
  afterAll(async () => {
    if (usual === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = usual;
    await database.drop();
    rmSync(place, { recursive: true, force: true });
  });

  it('tells its memory each time it is asked, and is gone with its files when stopped', async () => {
    if (ejabberd === null) return;
    const server = await startEjabberd(ejabberd, { directory: ROOT }, database.url);
    expect(server.pids.length).toBeGreaterThan(1);
    for (let i = 0; i < 2; i += 1) {
      const { rss, heapUsed } = await server.memory();
      expect(heapUsed).toBeGreaterThan(1_000_000);
      expect(rss).toBeGreaterThan(heapUsed);
    }
    expect(keptIn(place)).toHaveLength(1);
    await server.stop();
    expect(keptIn(place)).toEqual([]);
    await waitFor(() => !server.pids.some(lives), { what: 'the end of its processes' });
  });

  describe('acknowledges', () => {
    let server: Server;
    const clients: XmppClient[] = [];
    /** Ids of sends that were acknowledged, and numbers of messages that were heard. */
    const acks: number[] = [];
    const heard: number[] = [];

    function connect(user: string, to: string): Promise<XmppClient> {
      return new Promise((resolve, reject) => {
        const client = new XmppClient(
          { index: clients.length, port: server.port, user, to },
          {
            onJoined: resolve,
            onMessage: (_client, seq) => heard.push(seq),
            onAck: (_client, id) => acks.push(id),
            onError: (_client, text) => reject(new Error(text)),
            onClose: () => undefined,
          },
        );
        clients.push(client);
      });
    }

    beforeAll(async () => {
      await database.sql`INSERT INTO users (username, password)
        VALUES ('ann', ${XMPP_PASSWORD}), ('ben', ${XMPP_PASSWORD})`;
      if (ejabberd === null) return;
      server = await startEjabberd(ejabberd, { directory: ROOT }, database.url);
      await Promise.all([connect('ann', 'ben'), connect('ben', 'ann')]);
    }, START_MS);
    afterAll(async () => {
      for (const client of clients) client.destroy();
      await server?.stop();
    });
    const kept = async (): Promise<string[]> => {
      const rows = await database.sql<
        { username: string }[]
      >`SELECT username FROM archive ORDER BY id`;
      return rows.map(({ username }) => username);
    };

    it('a message when it is in the sender’s archive, and hands it on when it is in the other’s', async () => {
      const { sql } = database;
      await sql.begin(async (locking) => {
        await locking`LOCK TABLE archive IN SHARE MODE`;
        clients[0]?.send(7, 'Hello');
        await waitFor(
          async () => {
            const rows = await sql`SELECT FROM pg_stat_activity
              WHERE datname = current_database() AND wait_event_type = 'Lock'`;
            return rows.length > 0;
          },
          { what: 'the row that waits for the lock' },
        );
        expect([acks, heard]).toEqual([[], []]);
      });
      await waitFor(() => heard.length > 0 && acks.length > 0, { what: 'answer and message' });
      expect([acks, heard]).toEqual([[7], [1]]);
      expect(await kept()).toEqual(['ann', 'ben']);
    });

    // What makes it less than the product's acknowledgement: the run's check is there for it.
    it('and hands on a message that PostgreSQL refuses, too', async () => {
      await database.sql`TRUNCATE archive`;
      await database.sql`ALTER TABLE archive ADD CONSTRAINT full_already CHECK (false) NOT VALID`;
      acks.length = 0;
      heard.length = 0;
      clients[0]?.send(8, 'Hello');
      await waitFor(() => heard.length > 0 && acks.length > 0, { what: 'answer and message' });
      expect([acks, heard]).toEqual([[8], [2]]);
      expect(await kept()).toEqual([]);
      await database.sql`ALTER TABLE archive DROP CONSTRAINT full_already`;
    });
  });

  it('is gone with its files when the bench is killed', async () => {
    const bench = fork(PROGRAM, [database.url, ROOT], { execArgv: ['--import', 'tsx'] });
    const [{ pids }] = (await once(bench, 'message')) as [{ pids: number[] }];
    expect(pids.filter(lives)).toEqual(pids);
    bench.kill('SIGKILL');
    await waitFor(() => !pids.some(lives), { what: 'the end of its processes' });
    expect(keptIn(place)).toEqual([]);
  });
});
