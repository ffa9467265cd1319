/** Who may read /metrics, and where: on the port of everything else, or on one of its own. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { freePort } from '../support/ports.ts';
import { redisUrl, uniquePrefix } from '../support/redis.ts';
import { type ServiceProcess, startService } from '../support/service-process.ts';

const token = 'a-token-for-prometheus';

let db: TestDatabase;
let app: TestApp | undefined;
let service: ServiceProcess | undefined;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db.drop());
afterEach(async () => {
  await app?.stop();
  await service?.discard();
  app = undefined;
  service = undefined;
});

const scrape = async (url: string, authorization?: string) => {
  const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
  const answer = await fetch(`${url}/metrics`, { headers });
  return { answer, status: answer.status, text: await answer.text() };
};

describe.each([
  ['on the port of everything else', {}],
  ['on a port of its own', { METRICS_PORT: '0' }],
])('METRICS_TOKEN %s', (_where, env) => {
  it('is asked for, and nothing like it will do', async () => {
    app = await startTestApp(db.url, { METRICS_TOKEN: token, ...env });
    const url = `http://127.0.0.1:${app.metricsPort ?? app.port}`;
    for (const wrong of [undefined, '', token, `Basic ${token}`, `Bearer ${token}x`, 'Bearer ']) {
      const { answer, status, text } = await scrape(url, wrong);
      expect([wrong, status]).toEqual([wrong, 401]);
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
      expect(text).not.toContain('messaging_');
    }
    const { answer, status, text } = await scrape(url, `Bearer ${token}`);
    expect(status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(text).toContain('messaging_build_info');
  });
});

describe('METRICS_PORT', () => {
  it('has /metrics and nothing else, and the other port has it no more', async () => {
    app = await startTestApp(db.url, { METRICS_PORT: '0' });
    const url = `http://127.0.0.1:${app.metricsPort}`;
    expect(app.metricsPort).not.toBe(app.port);
    expect((await scrape(url)).text).toContain('messaging_build_info');
    expect((await scrape(app.url)).status).toBe(404);
    for (const path of [
      '/',
      '/health',
      '/docs',
      '/messages/x',
      '/socket.io/?EIO=4&transport=polling',
    ]) {
      expect((await fetch(url + path)).status).toBe(404);
    }
    expect((await fetch(`${url}/metrics`, { method: 'POST', body: 'x' })).status).toBe(404);
    // Over one connection: an answer without a body leaves it ready for the next request.
    for (const path of ['/metrics', '/nothing', '/metrics']) {
      const { status } = await fetch(url + path, { method: 'HEAD' });
      expect([path, status]).toEqual([path, path === '/metrics' ? 200 : 404]);
      expect((await scrape(url)).status).toBe(200);
    }
  });

  it('that is taken is one sentence, and nothing is left behind', async () => {
    app = await startTestApp(db.url, { METRICS_PORT: '0' });
    const taken = String(app.metricsPort);
    await expect(startTestApp(db.url, { METRICS_PORT: taken })).rejects.toThrow(
      `Cannot listen on 127.0.0.1:${taken}: the port is in use`,
    );
  });

  it('of several workers: each answers for all', { timeout: 60_000 }, async () => {
    const port = String(await freePort());
    service = await startService({
      DATABASE_URL: db.url,
      REDIS_URL: redisUrl(),
      REDIS_PREFIX: uniquePrefix(),
      WORKERS: '2',
      METRICS_PORT: port,
    });
    expect(service.output()).toContain(`metrics     http://localhost:${port}/metrics`);
    for (let n = 0; n < 6; n += 1) {
      const { status, text } = await scrape(`http://127.0.0.1:${port}`);
      expect(status).toBe(200);
      expect(text).toMatch(/^messaging_workers_running 2$/m);
    }
    expect((await scrape(service.url)).status).toBe(404);
  });
});

it('hammered, figures are gathered ten times a second at most, and read as often as asked', async () => {
  app = await startTestApp(db.url);
  const { url } = app;
  const cpuSeconds = async () =>
    /^process_cpu_user_seconds_total (\S+)$/m.exec((await scrape(url)).text)?.[1];
  const seen = new Set<string | undefined>();
  const startedAtMs = performance.now();
  let asked = 0;
  while (asked < 400 || performance.now() - startedAtMs < 1_500) {
    for (const one of await Promise.all(Array.from({ length: 20 }, cpuSeconds))) seen.add(one);
    asked += 20;
  }
  expect(seen.size).toBeLessThanOrEqual(((performance.now() - startedAtMs) / 1_000 + 2) * 10);
});
