/** A service of two workers, one of which hangs. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { ask } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createConversation, createPerson } from '../support/people.ts';
import { redisUrl, uniquePrefix } from '../support/redis.ts';
import { type ServiceProcess, startService } from '../support/service-process.ts';
import { waitFor } from '../support/wait.ts';
import { clientOn, running, workerPids, workersBelow } from './support.ts';

/** Five questions, a second each, and a start of a worker beside other tests. */
const REPLACED_MS = 40_000;

let db: TestDatabase;
let service: ServiceProcess;

beforeAll(async () => {
  db = await createTestDatabase();
  service = await startService({
    DATABASE_URL: db.url,
    REDIS_URL: redisUrl(),
    REDIS_PREFIX: uniquePrefix(),
    WORKERS: '2',
  });
});
afterEach(() => service.discard());
afterAll(() => db.drop());

it('replaces it, and does not disturb the other', { timeout: 90_000 }, async () => {
  const alice = await createPerson(db.sql, 'Alice');
  const conversation_id = await createConversation(db.sql, [alice]);
  const [hanging = 0, other = 0] = await workerPids(service);
  const client = await clientOn(service, other, alice);
  // As in a loop without an end, or a page that does not come from a disk.
  process.kill(hanging, 'SIGSTOP');
  const begun = performance.now();
  await waitFor(async () => (await running([hanging])).length === 0, {
    what: 'the end of the one that hangs',
    timeoutMs: REPLACED_MS,
  });
  expect(performance.now() - begun).toBeGreaterThan(4_000);
  expect(service.output()).toContain('a worker does not answer: it is killed');
  const message = { conversation_id, content: 'still here' };
  expect((await ask(client, 'send_message', message)).success).toBe(true);
  await waitFor(async () => (await workerPids(service)).length === 2, {
    what: 'two workers again',
    timeoutMs: REPLACED_MS,
  });
  expect(await workersBelow(service.pid)).not.toContain(hanging);
  expect(client.connected).toBe(true);
  client.close();
  service.kill('SIGTERM');
  expect(await service.exited).toBe(0);
});
