/** Several hosts in DATABASE_URL: a dead one, a real standby and its primary, which then crashes. */

import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkPostgres } from '../../src/doctor/postgres-check.ts';
import { migrate } from '../../src/store/migrate.ts';
import { ask, connected, startTestApp, type TestApp } from '../support/app.ts';
import { createConversation, createPerson } from '../support/people.ts';
import { freePort } from '../support/ports.ts';
import {
  type ReplicatedPostgres,
  startReplicatedPostgres,
} from '../support/replicated-postgres.ts';
import { waitFor } from '../support/wait.ts';

const TAKEN_OVER_MS = 30_000;

describe('several hosts in DATABASE_URL', () => {
  let servers: ReplicatedPostgres;
  let url: string;
  let app: TestApp;

  beforeAll(async () => {
    servers = await startReplicatedPostgres();
    const ports = [await freePort(), servers.standbyPort, servers.port];
    const hosts = ports.map((port) => `127.0.0.1:${port}`).join(',');
    url = `postgres://postgres@${hosts}/postgres?target_session_attrs=read-write&schema=public`;
    await migrate({ databaseUrl: url });
    app = await startTestApp(url);
  });
  afterAll(async () => {
    await app?.stop();
    await servers?.stop();
  });

  it('the one that takes writes is found, and the next one when it has gone', {
    timeout: 60_000,
  }, async () => {
    const sql = postgres(servers.url, { max: 1 });
    const alice = await createPerson(sql, 'Alice');
    const conversation_id = await createConversation(sql, [alice]);
    await sql.end();
    const client = app.connect(alice.id);
    await connected(client);
    const send = (content: string) => ask(client, 'send_message', { conversation_id, content });
    expect((await send('to the first')).success).toBe(true);
    // A process of its own, as each worker is, knows nothing of what another has found.
    const worker = await startTestApp(`${url}&application_name=worker`);
    await worker.stop();
    const found = await checkPostgres({ url, poolMax: 2, nodes: 1, connectTimeoutMs: 5_000 });
    expect(found.filter(({ verdict }) => verdict === 'problem')).toEqual([]);

    // What the standby has not heard of when it takes over has never been.
    const standby = postgres(`postgres://postgres@127.0.0.1:${servers.standbyPort}/postgres`, {
      max: 1,
    });
    const hasHeard = () =>
      standby`SELECT FROM messaging.messages`.then((rows) => rows.length === 1);
    await waitFor(hasHeard, { what: 'the message in the standby' });
    await standby.end();
    await servers.failOver(() => Promise.resolve());
    await waitFor(async () => (await send('to the next')).success, {
      what: 'a message in the standby that took over',
      timeoutMs: TAKEN_OVER_MS,
    });
  });
});
