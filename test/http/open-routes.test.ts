/** What anybody may ask for: let in by turns, and true about TLS. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { beforeAll, describe, expect, it } from 'vitest';
import { startTestApp } from '../support/app.ts';
import { buildPage } from '../support/page.ts';
import { useScene } from '../support/scene.ts';

const PAGES = ['/', '/demo/settings', '/docs/', '/docs/json', '/docs/static/swagger-ui.css'];

// One of the pages is the chat page, for which the service looks when it starts.
beforeAll(buildPage);
const scene = useScene({ settings: { DEMO_PAGE: 'on' } });

describe('hammered', () => {
  /** How many answers 20 askers get in a second and a half. */
  async function hammer(path: string): Promise<number> {
    let answers = 0;
    const untilMs = performance.now() + 1_500;
    const asker = async () => {
      while (performance.now() < untilMs) {
        const answer = await fetch(scene.app.url + path);
        await answer.arrayBuffer();
        expect(answer.status).toBe(200);
        answers += 1;
      }
    };
    await Promise.all(Array.from({ length: 20 }, asker));
    return answers;
  }

  it('files keep to a pace, beside which probes are answered at once', async () => {
    const files = hammer('/docs/json');
    const waitsMs: number[] = [];
    for (let n = 0; n < 20; n += 1) {
      const askedAtMs = performance.now();
      expect((await fetch(`${scene.app.url}/health`)).status).toBe(200);
      waitsMs.push(performance.now() - askedAtMs);
    }
    // Fifty at once, a hundred a second, and those that wait when time is up.
    expect(await files).toBeLessThan(50 + 150 + 20 + 30);
    expect(waitsMs.sort((a, b) => a - b)[10]).toBeLessThan(150);
  });

  it('/ready asks PostgreSQL ten times a second at most', async () => {
    const pings = async () => {
      const [row] = await scene.db.sql<{ n: number }[]>`
        SELECT xact_commit::int AS n FROM pg_stat_database WHERE datname = current_database()`;
      return row?.n ?? 0;
    };
    const before = await pings();
    const startedAt = performance.now();
    const calls = await hammer('/ready');
    const seconds = (performance.now() - startedAt) / 1_000;
    // Each look is a few transactions, and the statistics have a delay of their own: a rough count.
    const mostFor = (elapsed: number) => 50 * elapsed + 50;
    expect((await pings()) - before).toBeLessThan(mostFor(seconds));
    // Enough were answered for a look each to show, but on a machine that has no time for them.
    expect(calls).toBeGreaterThan(20);
  });
});

describe('Strict-Transport-Security', () => {
  it('is not said over plain HTTP', async () => {
    for (const path of PAGES) {
      const { headers } = await fetch(scene.app.url + path);
      expect([path, headers.get('strict-transport-security')]).toEqual([path, null]);
    }
  });

  it('is said of this very host where the process speaks TLS itself', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'messaging-test-tls-'));
    const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }]);
    const [keyFile, certFile] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
    await writeFile(keyFile, key);
    await writeFile(certFile, cert);
    const secure = await startTestApp(scene.db.url, {
      TLS_KEY_FILE: keyFile,
      TLS_CERT_FILE: certFile,
      DEMO_PAGE: 'on',
    });
    const said = (path: string) =>
      new Promise((resolve, reject) => {
        const call = request(
          { host: '127.0.0.1', port: secure.port, path, ca: cert, rejectUnauthorized: false },
          (answer) => {
            answer.resume();
            resolve(answer.headers['strict-transport-security']);
          },
        );
        call.on('error', reject);
        call.end();
      });
    try {
      for (const path of PAGES)
        expect([path, await said(path)]).toEqual([path, 'max-age=15552000']);
    } finally {
      await secure.stop();
      await rm(directory, { recursive: true });
    }
  });
});
