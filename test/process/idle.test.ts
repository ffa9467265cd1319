/** A process with nothing to do sleeps: what recurs comes together, and little of it. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { io, type Socket } from 'socket.io-client';
import { afterEach, expect, it } from 'vitest';
import { ask, connected } from '../support/app.ts';
import { createConversation } from '../support/people.ts';
import { redisUrl, uniquePrefix } from '../support/redis.ts';
import { usePeople } from '../support/scene.ts';
import { type ServiceProcess, startService } from '../support/service-process.ts';

const WINDOW_MS = 3_000;
/** Looks at once a second, each with an answer or two; by timers of milliseconds it would be far more. */
const MOST_WAKE_UPS_A_SECOND = 9;

const scene = usePeople();
const clients: Socket[] = [];
let service: ServiceProcess | undefined;

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await service?.discard();
});

/** How often the thread that does the work has gone to sleep since it started. */
async function sleeps(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/task/${pid}/status`, 'utf8');
  return Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1]);
}

/** How often it wakes up in a second. Time itself is what is measured here. */
async function wakeUpsASecond(pid: number): Promise<number> {
  const before = await sleeps(pid);
  const sinceMs = performance.now();
  await sleep(WINDOW_MS);
  return (((await sleeps(pid)) - before) / (performance.now() - sinceMs)) * 1_000;
}

it.runIf(process.platform === 'linux')(
  'wakes up a few times a second, also with joined connections that are silent',
  async () => {
    const running = await startService({
      DATABASE_URL: scene.db.url,
      REDIS_URL: redisUrl(),
      REDIS_PREFIX: uniquePrefix(),
    });
    service = running;
    const people = [scene.alice, scene.bob];
    const conversation_id = await createConversation(scene.db.sql, people);
    for (let index = 0; index < 20; index += 1) {
      const userId = people[index % 2]?.id;
      const client = io(running.url, {
        transports: ['websocket'],
        query: { userId },
        forceNew: true,
      });
      clients.push(client);
      await connected(client);
      expect(await ask(client, 'join_conversation', { conversation_id })).toMatchObject({
        success: true,
      });
    }
    // What was heaped up by starting is cleared away in the first seconds: the least of some windows counts.
    let least = Number.POSITIVE_INFINITY;
    for (let window = 0; window < 5 && least > MOST_WAKE_UPS_A_SECOND; window += 1) {
      least = Math.min(least, await wakeUpsASecond(running.pid));
    }
    expect(least).toBeLessThanOrEqual(MOST_WAKE_UPS_A_SECOND);
  },
  60_000,
);
