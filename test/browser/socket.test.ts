// The stock client in a real browser, on a page of another origin than the service.

import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ask, connected, startTestApp, type TestApp } from '../support/app.ts';
import {
  type ClientOptions,
  connectInPage,
  findChromium,
  launchChromium,
  type OpenedPage,
  openPage,
  type PageClient,
  type PageServer,
  servePage,
} from '../support/browser.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createConversation, createPerson, type TestPerson } from '../support/people.ts';
import { freePort } from '../support/ports.ts';
import { once, waitFor } from '../support/wait.ts';

const executable = await findChromium();

const TRANSPORTS: [string, ClientOptions, 'polling' | 'websocket'][] = [
  ['polling, then upgraded (the default)', {}, 'websocket'],
  ['polling only', { transports: ['polling'] }, 'polling'],
  ['websocket only', { transports: ['websocket'] }, 'websocket'],
];

describe.skipIf(executable === undefined)('a page of another origin', () => {
  let browser: Browser;
  let db: TestDatabase;
  let app: TestApp;
  let listed: PageServer;
  let stranger: PageServer;
  let alice: TestPerson;
  let bob: TestPerson;
  let conversation_id: string;
  let opened: OpenedPage;
  let page: Page;

  const ownApps: TestApp[] = [];

  const settings = () => ({ CORS_ORIGINS: listed.origin });

  beforeAll(async () => {
    [browser, db, listed, stranger] = await Promise.all([
      launchChromium(executable ?? ''),
      createTestDatabase(),
      servePage(),
      servePage(),
    ]);
    alice = await createPerson(db.sql, 'Alice');
    bob = await createPerson(db.sql, 'Bob');
    app = await startTestApp(db.url, settings());
  });
  afterAll(async () => {
    await browser?.close();
    await Promise.all([app?.stop(), listed?.stop(), stranger?.stop()]);
    await db?.drop();
  });
  beforeEach(async () => {
    conversation_id = await createConversation(db.sql, [alice, bob]);
    opened = await openPage(browser, listed.origin);
    page = opened.page;
  });
  afterEach(async () => {
    await opened?.close();
    for (const own of ownApps.splice(0)) await own.stop();
  });

  const connect = (options: ClientOptions = {}): Promise<PageClient> =>
    connectInPage(page, app.url, { query: { userId: alice.id }, ...options });

  /** A service of this test alone, which it may stop. */
  async function ownApp(port: number): Promise<TestApp> {
    const own = await startTestApp(db.url, { ...settings(), PORT: String(port) });
    ownApps.push(own);
    return own;
  }

  /** The contents of the messages the page has heard, in the order of arrival. */
  async function heard(client: PageClient): Promise<unknown[]> {
    const messages = (await client.happened()).filter(([event]) => event === 'new_message');
    return messages.map(([, message]) => (message as { content: string }).content);
  }

  describe.each(TRANSPORTS)('over %s', (_name, options, transport) => {
    it('joins, sends with an acknowledgement, and hears itself and the other', async () => {
      const other = app.connect(bob.id);
      await connected(other);
      expect(await ask(other, 'join_conversation', { conversation_id })).toMatchObject({
        success: true,
      });

      const client = await connect(options);
      await client.connected(transport);
      expect(await client.ask('join_conversation', { conversation_id })).toMatchObject({
        success: true,
        data: { conversation_id, last_seq: 0 },
      });
      const received = once<[{ content: string; sender_name: string }]>(other, 'new_message');
      expect(
        await client.ask('send_message', { conversation_id, content: 'Grüße 👋 из окна' }),
      ).toMatchObject({ success: true, data: { seq: 1, sender_id: alice.id } });
      expect((await received)[0]).toMatchObject({
        content: 'Grüße 👋 из окна',
        sender_name: 'Alice',
      });
      await ask(other, 'send_message', { conversation_id, content: 'und zurück' });
      await waitFor(async () => (await heard(client)).length === 2, { what: 'both messages' });
      expect(await heard(client)).toEqual(['Grüße 👋 из окна', 'und zurück']);
      other.close();
      expect(opened.complaints).toEqual([]);
    });

    it('is told why when the handshake names nobody', async () => {
      const client = await connect({ ...options, query: {}, reconnection: false });
      await waitFor(async () => (await client.happened()).length > 0, { what: 'the refusal' });
      const [first] = await client.happened();
      expect(first?.[0]).toBe('connect_error');
      expect(first?.[2]).toEqual({ code: 'unauthenticated' });
    });

    it('comes back when the service closes the connection, and misses nothing', async () => {
      // A port that was given as 0 could not be listened on again at once.
      const first = await ownApp(await freePort());
      const client = await connectInPage(page, first.url, {
        query: { userId: alice.id },
        ...options,
      });
      await client.connected(transport);
      await client.socket.evaluate((socket, id) => {
        let after_seq = 0;
        socket.on('new_message', (message: { seq: number }) => {
          after_seq = message.seq;
        });
        const join = (): unknown =>
          socket.emit('join_conversation', { conversation_id: id, after_seq });
        join();
        socket.on('connect', join);
      }, conversation_id);
      await client.ask('send_message', { conversation_id, content: 'before' });
      await waitFor(async () => (await heard(client)).length === 1, { what: 'the first message' });

      await first.stop();
      await waitFor(
        async () => (await client.happened()).some(([event]) => event === 'disconnect'),
        { what: 'the disconnect' },
      );
      // A polling client that is between two GETs learns it from the failure of the next.
      const reason = transport === 'polling' ? /^transport (close|error)$/ : /^transport close$/;
      expect(await client.happened()).toContainEqual(['disconnect', expect.stringMatching(reason)]);
      await db.sql`
        WITH missed AS (
          UPDATE messaging.conversations SET last_seq = 2 WHERE id = ${conversation_id} RETURNING id)
        INSERT INTO messaging.messages (conversation_id, sender_id, content, seq)
        SELECT id, ${bob.id}, 'meanwhile', 2 FROM missed`;
      await ownApp(first.port);
      await client.connected(transport);
      await client.ask('send_message', { conversation_id, content: 'after' });
      await waitFor(async () => (await heard(client)).length >= 3, { what: 'the rest' });
      expect(await heard(client)).toEqual(['before', 'meanwhile', 'after']);
    });

    it('is refused when its origin is not listed', async () => {
      const foreign = await openPage(browser, stranger.origin);
      const client = await connectInPage(foreign.page, app.url, {
        query: { userId: alice.id },
        ...options,
      });
      // Trying again does not help.
      await waitFor(() => foreign.complaints.length >= 3, { what: 'further attempts' });
      expect(foreign.complaints.join('\n')).toMatch(/blocked by CORS policy|response code: 403/);
      const message = transport === 'websocket' && options.transports ? 'websocket' : 'xhr poll';
      const events = (await client.happened()).map(([event, text]) => [event, text]);
      expect(new Set(events.map(String))).toEqual(new Set([`connect_error,${message} error`]));
      await foreign.close();
    });
  });

  it('moves from polling to WebSocket on one session', async () => {
    const urls: string[] = [];
    page.on('request', (request) => void urls.push(request.url()));
    page.on('websocket', (socket) => void urls.push(socket.url()));
    const client = await connect();
    await client.connected('websocket');
    const mine = urls.filter((url) => url.includes('/socket.io/'));
    expect(mine[0]).toMatch(/^http:.*transport=polling/);
    const sockets = mine.filter((url) => url.startsWith('ws:'));
    const sid = /[?&]sid=([^&]+)/.exec(sockets[0] ?? '')?.[1];
    expect(sockets).toHaveLength(1);
    expect(sid).toBeDefined();
    expect(mine.some((url) => url.startsWith('http:') && url.includes(`sid=${sid}`))).toBe(true);
  });

  it('sends cookies with withCredentials, and may read the answers', async () => {
    await page.context().addCookies([{ name: 'who', value: 'alice', url: app.url }]);
    const asked = page.waitForRequest((request) => request.url().includes('/socket.io/'));
    const client = await connect({ transports: ['polling'], withCredentials: true });
    await client.connected('polling');
    expect((await (await asked).allHeaders()).cookie).toBe('who=alice');
    expect(opened.complaints).toEqual([]);
  });

  it('asks leave for a header of its own with a preflight, and gets it', async () => {
    const preflights: string[] = [];
    const devtools = await page.context().newCDPSession(page);
    devtools.on('Network.requestWillBeSent', ({ request }) => {
      if (request.method === 'OPTIONS') preflights.push(request.url);
    });
    await devtools.send('Network.enable');
    const client = await connect({
      transports: ['polling'],
      extraHeaders: { authorization: 'Bearer abc', 'x-page': '1' },
    });
    await client.connected('polling');
    expect(preflights.filter((url) => url.includes('/socket.io/'))).not.toEqual([]);
    expect(opened.complaints).toEqual([]);
  });

  it('may use REST, which a page that is not listed may not', async () => {
    const send = (where: Page): Promise<string> =>
      where.evaluate(
        async ([url, userId]) => {
          try {
            const response = await fetch(url, {
              method: 'POST',
              headers: { 'content-type': 'application/json', 'x-user-id': userId },
              body: JSON.stringify({ content: 'over REST' }),
            });
            return `${response.status}`;
          } catch (error) {
            return String(error);
          }
        },
        [`${app.url}/messages/${conversation_id}`, alice.id] as const,
      );
    expect(await send(page)).toBe('201');
    const foreign = await openPage(browser, stranger.origin);
    expect(await send(foreign.page)).toContain('Failed to fetch');
    await foreign.close();
    const [row] = await db.sql`
      SELECT count(*)::int AS n FROM messaging.messages WHERE conversation_id = ${conversation_id}`;
    expect(row).toEqual({ n: 1 });
  });
});
