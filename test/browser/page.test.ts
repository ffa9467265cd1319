// The chat page in a real browser, against the service in this process.

import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SignJWT } from 'jose';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { createLog } from '../../src/log.ts';
import { prepareDatabase } from '../../src/store/prepare.ts';
import { startTestApp } from '../support/app.ts';
import { findChromium, launchChromium } from '../support/browser.ts';
import { createTestDatabase } from '../support/database.ts';
import {
  buildPage,
  type ChatPage,
  enterAs,
  openChatPage,
  openConversation,
  say,
  shownSeqs,
  shownStatuses,
  shownTexts,
} from '../support/page.ts';
import { createConversation, createPerson, type TestPerson } from '../support/people.ts';
import { useScene } from '../support/scene.ts';
import { waitFor } from '../support/wait.ts';

const executable = await findChromium();
const TIMEOUT_MS = 60_000;

describe.skipIf(executable === undefined)('the chat page', { timeout: TIMEOUT_MS }, () => {
  let browser: Browser;
  // Before the service, which looks for it when it starts.
  beforeAll(buildPage, TIMEOUT_MS);
  const scene = useScene({ settings: { SANITIZE_HTML: 'none' } });
  let alice: TestPerson;
  let bob: TestPerson;
  let conversation_id: string;
  const opened: ChatPage[] = [];

  beforeAll(async () => {
    browser = await launchChromium(executable ?? '');
  }, TIMEOUT_MS);
  afterAll(async () => {
    await browser?.close();
  });
  beforeEach(async () => {
    alice = await createPerson(scene.db.sql, 'Alice');
    bob = await createPerson(scene.db.sql, 'Bob');
    conversation_id = await scene.conversation(alice, bob);
  });
  afterEach(async () => {
    const complaints = opened.flatMap((one) => one.complaints);
    await Promise.all(opened.splice(0).map((one) => one.close()));
    expect(complaints).toEqual([]);
  });

  async function open(person: TestPerson, options = {}): Promise<ChatPage> {
    const one = await openChatPage(browser, scene.app.url, options);
    opened.push(one);
    await enterAs(one.page, person.id);
    return one;
  }

  /** Messages that were there before anybody looked. */
  async function fill(count: number, senderId: string): Promise<void> {
    await scene.db.sql`
      INSERT INTO messaging.messages (conversation_id, sender_id, content, seq)
      SELECT ${conversation_id}, ${senderId}, 'message ' || n, n
      FROM generate_series(1, ${count}::int) AS n`;
    await scene.db.sql`
      UPDATE messaging.conversations SET last_seq = ${count}, last_message_at = now()
      WHERE id = ${conversation_id}`;
  }

  it('two browsers chat: unread, typing, ticks, images and places', async () => {
    const [{ page: a }, { page: b }] = await Promise.all([open(alice), open(bob)]);
    await openConversation(a, conversation_id);
    await say(a, 'Hello, when can we meet?');
    const item = b.locator(`[data-conversation="${conversation_id}"]`);
    await item.getByText('1 unread').waitFor();
    await waitFor(async () => (await shownStatuses(a)).at(0) === 'delivered', {
      what: 'the delivered tick',
    });

    await openConversation(b, conversation_id);
    await waitFor(async () => (await shownStatuses(a)).at(0) === 'read', { what: 'the read tick' });
    expect(await item.getByText('unread').count()).toBe(0);

    await b.getByPlaceholder('Message').pressSequentially('Tomor');
    await a.locator('p.typing').getByText('Bob is typing').waitFor();
    await say(b, 'Tomorrow');
    await a.getByRole('log').getByText('Tomorrow').waitFor();
    await waitFor(async () => (await a.locator('p.typing').textContent()) === '', {
      what: 'the end of typing',
    });

    await a.getByRole('button', { name: 'Send a location' }).click();
    await a.getByLabel('Latitude, longitude').fill('52.5163, 13.3777');
    await a.getByRole('button', { name: 'Send location' }).click();
    const place = b.getByRole('log').getByRole('link', { name: /Location/ });
    expect(await place.getAttribute('href')).toContain('mlat=52.5163&mlon=13.3777');

    await a.getByRole('button', { name: 'Send an image' }).click();
    await a.getByLabel('Address of the image').fill('javascript:alert(1)');
    await a.getByRole('button', { name: 'Send image' }).click();
    await a.getByText('An image is an http or https address.').waitFor();
    const url = `${scene.app.url}/docs/static/logo.svg`;
    await a.getByLabel('Address of the image').fill(url);
    await a.getByRole('button', { name: 'Send image' }).click();
    const image = b.getByRole('log').getByRole('img', { name: 'Image', exact: true });
    expect(await image.getAttribute('src')).toBe(url);
    expect(await image.getAttribute('referrerpolicy')).toBe('no-referrer');
    expect(await shownSeqs(a)).toEqual([1, 2, 3, 4]);
    await waitFor(async () => (await shownSeqs(b)).length === 4, { what: 'all four at Bob' });
  });

  it('loads older messages on scroll, without a hole, and stays where one reads', async () => {
    await fill(130, bob.id);
    const { page } = await open(alice);
    await openConversation(page, conversation_id);
    await page.getByRole('log').getByText('message 130', { exact: true }).waitFor();
    await waitFor(
      async () => {
        await page.getByRole('log').evaluate((log) => {
          log.scrollTop = 0;
        });
        return (await shownSeqs(page)).length === 130;
      },
      { what: 'all of the history', timeoutMs: 20_000 },
    );
    expect(await shownSeqs(page)).toEqual(Array.from({ length: 130 }, (_, index) => index + 1));
    await page.getByText('This is the beginning.').waitFor();

    // Reading old ones, a new one does not take them away.
    await page.getByRole('log').evaluate((log) => {
      log.scrollTop = 0;
    });
    await page.getByRole('button', { name: 'To the newest message' }).waitFor();
    const other = scene.app.connect(bob.id);
    other.emit('send_message', { conversation_id, content: 'one more' });
    await waitFor(async () => (await shownSeqs(page)).length === 131, { what: 'the new one' });
    expect(await page.getByRole('log').evaluate((log) => log.scrollTop)).toBeLessThan(100);
    await page.getByRole('button', { name: 'To the newest message' }).click();
    await page.getByRole('log').getByText('one more').waitFor();
  });

  it('renders hostile content inert', async () => {
    const hostile = [
      '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>',
      '<a href="javascript:window.hacked=1">click</a><style>*{display:none}</style>',
      '"><svg onload=window.hacked=1><iframe srcdoc="<script>parent.hacked=1</script>">',
      '\u202eevil\u202c {{constructor.constructor("window.hacked=1")()}}',
    ];
    const mallory = await createPerson(scene.db.sql, '<img src=x onerror="window.hacked=1">');
    conversation_id = await createConversation(scene.db.sql, [alice, mallory]);
    const sender = scene.app.connect(mallory.id);
    for (const content of hostile) {
      await sender.emitWithAck('send_message', { conversation_id, content });
    }
    // A row of another writer: what the service itself would have refused.
    await scene.db.sql`
      INSERT INTO messaging.messages (conversation_id, sender_id, content, message_type, media_url, seq)
      VALUES (${conversation_id}, ${mallory.id}, 'a bad image', 'image', 'javascript:window.hacked=1', 5),
        (${conversation_id}, ${mallory.id}, '1,2"onclick="window.hacked=1', 'location', NULL, 6)`;
    await scene.db
      .sql`UPDATE messaging.conversations SET last_seq = 6 WHERE id = ${conversation_id}`;

    const { page } = await open(alice);
    await openConversation(page, conversation_id);
    await waitFor(async () => (await shownSeqs(page)).length === 6, { what: 'all six' });
    expect(await shownTexts(page)).toEqual([
      ...hostile,
      'a bad image',
      '1,2"onclick="window.hacked=1',
    ]);
    const made = 'img, script, style, iframe, a, [onclick], [onerror], [onload]';
    expect(await page.locator('.pane').locator(made).count()).toBe(0);
    expect(await page.evaluate('window.hacked')).toBeUndefined();
    expect(await page.locator('.sender').first().textContent()).toBe(mallory.name);
  });

  it('lets one talk to oneself in two panes, and start a conversation', async () => {
    const { page } = await open(alice);
    await page.getByRole('button', { name: 'Second pane' }).click();
    const mine = page.locator('.pane').nth(0);
    const theirs = page.locator('.pane').nth(1);
    await enterAs(theirs, bob.id);
    await mine.getByRole('button', { name: 'New conversation' }).click();
    await mine.getByLabel('Bob').check();
    await mine.getByRole('button', { name: 'Start' }).click();
    await say(mine, 'A new beginning');
    await theirs.getByText('A new beginning').click();
    await say(theirs, 'Indeed');
    await mine.getByRole('log').getByText('Indeed').waitFor();
    // Both are open: the first stays in the tabs.
    await openConversation(mine, conversation_id);
    expect(await mine.getByRole('list', { name: 'Open conversations' }).locator('li').count()).toBe(
      2,
    );
  });

  it('takes a token where the service wants one', async () => {
    const secret = 'a secret of at least thirty-two bytes';
    const strict = await startTestApp(scene.db.url, { JWT_SECRET: secret });
    const one = await openChatPage(browser, strict.url);
    opened.push(one);
    const { page } = one;
    const token = await new SignJWT({ sub: alice.id })
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime('5m')
      .sign(new TextEncoder().encode(secret));
    await page.getByLabel('Your token (JWT)').fill('not a token');
    await page.getByRole('button', { name: 'Enter' }).click();
    await page.getByText('This is not a JWT').waitFor();
    await page.getByLabel('Your token (JWT)').fill(token);
    await page.getByRole('button', { name: 'Enter' }).click();
    await openConversation(page, conversation_id);
    await say(page, 'proven');
    await waitFor(async () => (await shownSeqs(page)).length === 1, { what: 'the message' });
    await one.close();
    await strict.stop();
  });

  it('fits a phone: the list, then the conversation, and back, and nothing sticks out', async () => {
    await fill(30, bob.id);
    const phone = { viewport: { width: 360, height: 640 }, isMobile: true, hasTouch: true };
    const { page } = await open(alice, phone);
    const list = page.getByRole('navigation', { name: 'Conversations' });
    await openConversation(page, conversation_id);
    await say(page, `Long: ${'x'.repeat(300)}`);
    await waitFor(async () => (await shownSeqs(page)).at(-1) === 31, { what: 'the long message' });
    expect(await list.isVisible()).toBe(false);
    const width = await page.evaluate('document.documentElement.scrollWidth');
    expect(width).toBe(360);
    await page.getByRole('button', { name: 'Back to the list' }).click();
    expect(await list.isVisible()).toBe(true);
  });

  it('is light or dark as the reader’s system is', async () => {
    const [light, dark] = await Promise.all([
      open(alice, { colorScheme: 'light' }),
      open(alice, { colorScheme: 'dark' }),
    ]);
    const ground = (one: ChatPage): Promise<string> =>
      one.page.evaluate('getComputedStyle(document.body).backgroundColor');
    expect(await ground(light)).toBe('rgb(238, 240, 244)');
    expect(await ground(dark)).toBe('rgb(13, 15, 20)');
  });

  it('is served with a strict policy; assets are cached for ever, the page is not', async () => {
    const page = await fetch(scene.app.url);
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self';");
    expect(page.headers.get('cache-control')).toBe('no-cache');
    const text = await page.text();
    expect(text).not.toMatch(/<script(?![^>]* src=)|https?:\/\//);
    const directory = fileURLToPath(new URL('../../dist/web/assets', import.meta.url));
    for (const name of readdirSync(directory)) {
      const asset = await fetch(`${scene.app.url}/assets/${name}`);
      expect(asset.status).toBe(200);
      expect(asset.headers.get('cache-control')).toContain('immutable');
    }
    expect((await fetch(`${scene.app.url}/assets/..%2findex.html`)).status).toBe(404);
  });

  it('makes people only in a database of our own; is off on demand and in production', async () => {
    const post = { method: 'POST', headers: { 'content-type': 'application/json' } };
    const make = (url: string, name: string): Promise<Response> =>
      fetch(`${url}/demo/people`, { ...post, body: JSON.stringify({ name }) });
    expect((await make(scene.app.url, 'Dora')).status).toBe(404);
    const settings = await (await fetch(`${scene.app.url}/demo/settings`)).json();
    expect(settings).toMatchObject({ data: { can_create_people: false, people: [] } });

    const own = await createTestDatabase();
    await prepareDatabase({
      databaseUrl: own.url,
      demoData: true,
      connectTimeoutMs: 3_000,
      log: createLog({ level: 'silent', pretty: false }),
    });
    const embedded = await startTestApp(own.url, {}, { ownDatabase: true });
    const { url } = embedded;
    expect((await make(url, '  ')).status).toBe(400);
    const one = await openChatPage(browser, url);
    opened.push(one);
    await one.page.getByRole('button', { name: 'Alice' }).waitFor();
    await one.page.getByLabel('Somebody new').fill('Dora');
    await one.page.getByRole('button', { name: 'Create' }).click();
    await one.page.getByText('Nobody has written yet, Dora').waitFor();
    await one.close();
    await embedded.stop();

    const off = await startTestApp(own.url, { DEMO_PAGE: 'off' }, { ownDatabase: true });
    expect((await fetch(`http://127.0.0.1:${off.port}/`)).status).toBe(404);
    await off.stop();
    await own.drop();
    const production = { NODE_ENV: 'production', DATABASE_URL: 'postgres://db/x' };
    const secret = 'a secret of at least thirty-two bytes';
    expect(readConfig({ ...production, JWT_SECRET: secret }).demoPage).toBe(false);
  });
});
