/** What /metrics says of a node that has just done something. */
import { readdir, readFile } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { ask, connected } from '../support/app.ts';
import { type Family, parseExposition } from '../support/exposition.ts';
import type { TestPerson } from '../support/people.ts';
import { redisUrl, uniquePrefix } from '../support/redis.ts';
import { useScene } from '../support/scene.ts';
import { once, waitFor } from '../support/wait.ts';

const EVENTS_LIMIT = 40;

const scene = useScene({
  settings: {
    REDIS_URL: redisUrl(),
    REDIS_PREFIX: uniquePrefix(),
    RATE_LIMIT: 'on',
    RATE_LIMIT_WINDOW_SECONDS: '3600',
    RATE_LIMIT_EVENTS: String(EVENTS_LIMIT),
  },
});
let conversation_id: string;

beforeEach(async () => {
  conversation_id = await scene.conversation();
});

async function scrape(): Promise<Map<string, Family>> {
  const response = await fetch(`${scene.app.url}/metrics`);
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  return parseExposition(await response.text());
}

/** Resolves when figures have been gathered since the call: they are, so often a second at most. */
async function gathered(): Promise<void> {
  const cpu = () => figure('process_cpu_seconds_total');
  const before = await cpu();
  await waitFor(async () => (await cpu()) > before, { what: 'the next figures' });
}

async function figure(series: string): Promise<number> {
  const families = await scrape();
  const value = [...families.values()].flatMap(({ samples }) => samples.get(series) ?? []);
  expect([series, value.length]).toEqual([series, 1]);
  return value[0] ?? Number.NaN;
}

/** By how much `series` has grown after `work`; waits until it has grown by `atLeast`. */
async function growth(series: string, atLeast: number, work: () => Promise<unknown>) {
  const before = await figure(series);
  await work();
  await waitFor(async () => (await figure(series)) >= before + atLeast, { what: series });
  return (await figure(series)) - before;
}

async function joined(person: TestPerson) {
  const client = scene.app.connect(person.id, { transports: ['websocket'] });
  await connected(client);
  await ask(client, 'join_conversation', { conversation_id });
  return client;
}

describe('the names', () => {
  it('follow the conventions of Prometheus: prefix, unit, _total for counters only', async () => {
    const own = [...(await scrape()).values()].filter(({ name }) => name.startsWith('messaging_'));
    expect(own.length).toBeGreaterThan(25);
    for (const { name, type, help } of own) {
      expect(name).toMatch(/^[a-z][a-z_]+$/);
      expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter']);
      expect(name).not.toMatch(/_(ms|milliseconds|kb|mb)(_|$)/);
      expect(help).toMatch(/^[A-Z0-9].*\.$/);
    }
  });

  it('come with figures of the process and of its event loop', async () => {
    const families = await scrape();
    for (const name of [
      'process_cpu_seconds_total',
      'process_resident_memory_bytes',
      'process_open_fds',
      'nodejs_eventloop_lag_seconds',
      'messaging_event_loop_utilization_ratio',
      'nodejs_heap_size_used_bytes',
    ]) {
      expect([...(families.get(name)?.samples.values() ?? [])].length, name).toBe(1);
    }
  });
});

describe('the figures', () => {
  it('connections, by transport', async () => {
    const socket = scene.app.connect(scene.alice.id, { transports: ['websocket'] });
    const poller = scene.app.connect(scene.bob.id, { transports: ['polling'] });
    await Promise.all([connected(socket), connected(poller)]);
    expect(await figure('messaging_connections{transport="websocket"}')).toBe(1);
    expect(await figure('messaging_connections{transport="polling"}')).toBe(1);
    expect(await figure('messaging_sockets')).toBe(2);
    const grown = await growth(
      'messaging_connections_closed_total{reason="transport_close"}',
      2,
      async () => {
        socket.close();
        poller.close();
      },
    );
    expect(grown).toBe(2);
    await waitFor(async () => (await figure('messaging_sockets')) === 0, { what: 'the leaving' });
  });

  it('know every reason for which realtime/ ends a connection', async () => {
    const directory = new URL('../../src/realtime/', import.meta.url);
    const names = await readdir(directory);
    const texts = await Promise.all(
      names.map((name) => readFile(new URL(name, directory), 'utf8')),
    );
    const reasons = texts.flatMap((text) =>
      [...text.matchAll(/\b(?:abort|close)\('([a-z ]+)'/g)].map(([, reason = '']) => reason),
    );
    expect(new Set(reasons)).toContain('slow reader');
    const samples = (await scrape()).get('messaging_connections_closed_total')?.samples;
    const known = [...(samples?.keys() ?? [])];
    for (const reason of reasons) {
      const label = `{reason="${reason.replaceAll(' ', '_')}"}`;
      expect(known).toContain(`messaging_connections_closed_total${label}`);
    }
  });

  it('joins, by outcome', async () => {
    const client = scene.app.connect(scene.alice.id);
    await connected(client);
    const joins = (outcome: string, payload: object) =>
      growth(`messaging_joins_total{outcome="${outcome}"}`, 1, () =>
        ask(client, 'join_conversation', payload),
      );
    expect(await joins('joined', { conversation_id })).toBe(1);
    expect(await joins('resync', { conversation_id, after_seq: 99 })).toBe(1);
    expect(await joins('refused', { conversation_id: crypto.randomUUID() })).toBe(1);
    client.close();
  });

  it('messages replayed to those who join behind', async () => {
    const client = scene.app.connect(scene.alice.id);
    await connected(client);
    for (const content of ['one', 'two', 'three']) {
      await ask(client, 'send_message', { conversation_id, content });
    }
    const grown = await growth('messaging_replayed_messages_total', 2, () =>
      ask(client, 'join_conversation', { conversation_id, after_seq: 1 }),
    );
    expect(grown).toBe(2);
    client.close();
  });

  it('sends by outcome, on both doors; their latency; their batches', async () => {
    const client = await joined(scene.alice);
    const message = { conversation_id, content: 'Hi', client_message_id: 'once' };
    const sends = (outcome: string, work: () => Promise<unknown>) =>
      growth(`messaging_sends_total{outcome="${outcome}"}`, 1, work);
    const post = (body: object) =>
      fetch(`${scene.app.url}/messages/${conversation_id}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const before = {
      acks: await figure('messaging_ack_latency_seconds_count'),
      batches: await figure('messaging_store_batch_seconds_count'),
      messages: await figure('messaging_store_batch_messages_sum'),
    };
    expect(await sends('stored', () => ask(client, 'send_message', message))).toBe(1);
    expect(await sends('duplicate', () => ask(client, 'send_message', message))).toBe(1);
    const other = { ...message, content: 'Ho' };
    expect(await sends('idempotency_conflict', () => ask(client, 'send_message', other))).toBe(1);
    expect(await sends('stored', () => post({ sender_id: scene.bob.id, content: 'REST' }))).toBe(1);
    const stranger = { sender_id: crypto.randomUUID(), content: 'Who?' };
    expect(await sends('not_a_participant', () => post(stranger))).toBe(1);
    client.close();
    expect((await figure('messaging_ack_latency_seconds_count')) - before.acks).toBe(3);
    expect((await figure('messaging_store_batch_messages_sum')) - before.messages).toBe(5);
    expect((await figure('messaging_store_batch_seconds_count')) - before.batches).toBeGreaterThan(
      0,
    );
  });

  it('deliveries: one for each socket that heard a message', async () => {
    const clients = await Promise.all([joined(scene.alice), joined(scene.bob), joined(scene.bob)]);
    const heard = clients.map((client) => once(client, 'new_message', 10_000));
    const grown = await growth('messaging_deliveries_total', 3, async () => {
      clients[0]?.emit('send_message', { conversation_id, content: 'Hi' });
      await Promise.all(heard);
    });
    expect(grown).toBe(3);
    for (const client of clients) client.close();
  });

  it('REST requests: by route, class of status and time to the answer', async () => {
    const seconds = (part: string, labels: string) =>
      `messaging_http_request_duration_seconds_${part}{${labels}}`;
    const get = async (path: string, status: number, init?: RequestInit) => {
      const response = await fetch(`${scene.app.url}${path}`, init);
      await response.text();
      expect([path, response.status]).toEqual([path, status]);
    };
    /** What one request adds to series that began, at the latest, with the request before it. */
    const added = async (route: string, request: () => Promise<void>, method = 'GET') => {
      const labels = (status: string) => `method="${method}",route="${route}",status="${status}"`;
      await request();
      const figures = async () => {
        const samples = (await scrape()).get('messaging_http_request_duration_seconds')?.samples;
        const of = (part: string, status: string) => samples?.get(seconds(part, labels(status)));
        return ['2xx', '4xx'].map((status) => of('count', status) ?? 0);
      };
      await gathered();
      const before = await figures();
      await request();
      await waitFor(async () => (await figures()).some((n, at) => n > (before[at] ?? 0)), {
        what: `a request of ${route}`,
      });
      return (await figures()).map((n, at) => n - (before[at] ?? 0));
    };
    const history = '/messages/:conversationId';
    expect(await added(history, () => get(`/messages/${conversation_id}`, 200))).toEqual([1, 0]);
    expect(await added(history, () => get(`/messages/${conversation_id}?limit=0`, 400))).toEqual([
      0, 1,
    ]);
    expect(
      await added(
        history,
        () => get(`/messages/${conversation_id}`, 200, { method: 'HEAD' }),
        'HEAD',
      ),
    ).toEqual([1, 0]);
    expect(await added('none', () => get('/nowhere', 404))).toEqual([0, 1]);
    expect(await added('none', () => get('/messages/%zz', 400))).toEqual([0, 1]);
    expect(await added('none', () => get('/health', 404, { method: 'PROPFIND' }), 'other')).toEqual(
      [0, 1],
    );
    // A histogram as Prometheus wants it: no bucket below the one before, +Inf is the count.
    const labels = `method="GET",route="${history}",status="2xx"`;
    const samples = (await scrape()).get('messaging_http_request_duration_seconds')?.samples;
    const buckets = [...(samples ?? [])].filter(([name]) =>
      name.startsWith(`messaging_http_request_duration_seconds_bucket{${labels}`),
    );
    const counts = buckets.map(([, count]) => count);
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
    expect(counts).toHaveLength(13);
    expect(counts.at(-1)).toBe(samples?.get(seconds('count', labels)));
    expect(buckets.at(-1)?.[0]).toContain('le="+Inf"');
    const sum = samples?.get(seconds('sum', labels)) ?? 0;
    expect(sum).toBeGreaterThan(0);
    expect(sum).toBeLessThan(10);
  });

  it('the bus: up, its round trip, what was published', async () => {
    await waitFor(async () => (await figure('messaging_bus_up')) === 1, { what: 'the link' });
    await waitFor(async () => (await figure('messaging_bus_round_trip_seconds')) > 0, {
      what: 'a round trip',
    });
    const client = await joined(scene.alice);
    const grown = await growth('messaging_bus_published_total', 1, () =>
      ask(client, 'send_message', { conversation_id, content: 'Hi' }),
    );
    expect(grown).toBe(1);
    client.close();
  });

  it('what was over a limit', async () => {
    const client = await joined(scene.alice);
    const grown = await growth('messaging_rate_limited_total{kind="events"}', 3, async () => {
      // The CONNECT was one as well.
      for (let n = 2; n < EVENTS_LIMIT + 3; n += 1) {
        await ask(client, 'leave_conversation', { conversation_id });
      }
    });
    expect(grown).toBe(3);
    client.close();
  });

  it('nothing a client says becomes a label', async () => {
    const client = await joined(scene.alice);
    const names = async () =>
      [...(await scrape()).values()].flatMap(({ samples }) => [...samples.keys()]).sort();
    await Promise.all(['a', 'b'].map((path) => fetch(`${scene.app.url}/${path}`)));
    await waitFor(async () => (await names()).some((name) => name.includes('route="none"')), {
      what: 'the requests for routes that are not there',
    });
    const before = await names();
    const word = 'unheard_of';
    client.emit(word, word);
    await ask(client, 'send_message', { conversation_id: word, content: word });
    await fetch(`${scene.app.url}/${word}`);
    client.close();
    await waitFor(async () => (await figure('messaging_sockets')) === 0, { what: 'the leaving' });
    expect(await names()).toEqual(before);
  });
});
