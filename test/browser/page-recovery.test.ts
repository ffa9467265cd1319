// What the page does when its token ends, when it is too far behind, and when cursors are not enough.

import { SignJWT } from 'jose';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ask, connected, startTestApp, type TestApp } from '../support/app.ts';
import { findChromium, launchChromium } from '../support/browser.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  buildPage,
  type ChatPage,
  enterAs,
  openChatPage,
  openConversation,
  say,
  shownSeqs,
  shownStatuses,
} from '../support/page.ts';
import { createConversation, createPerson, type TestPerson } from '../support/people.ts';
import { once, waitFor } from '../support/wait.ts';

const executable = await findChromium();
const TIMEOUT_MS = 90_000;
const SECRET = 'a secret of at least thirty-two bytes';
const MAX_REPLAY = 5;

describe.skipIf(executable === undefined)('the chat page', { timeout: TIMEOUT_MS }, () => {
  let browser: Browser;
  let db: TestDatabase;
  let alice: TestPerson;
  let bob: TestPerson;
  let carol: TestPerson;
  let conversation_id: string;
  const apps: TestApp[] = [];
  const pages: ChatPage[] = [];

  beforeAll(async () => {
    await buildPage();
    [browser, db] = await Promise.all([launchChromium(executable ?? ''), createTestDatabase()]);
  }, TIMEOUT_MS);
  afterAll(async () => {
    await browser?.close();
    await db?.drop();
  });
  beforeEach(async () => {
    [alice, bob, carol] = await Promise.all([
      createPerson(db.sql, 'Alice'),
      createPerson(db.sql, 'Bob'),
      createPerson(db.sql, 'Carol'),
    ]);
    conversation_id = await createConversation(db.sql, [alice, bob]);
  });
  afterEach(async () => {
    const complaints = pages.flatMap((one) => one.complaints);
    await Promise.all(pages.splice(0).map((one) => one.close()));
    await Promise.all(apps.splice(0).map((app) => app.stop()));
    expect(complaints).toEqual([]);
  });

  async function start(env: Record<string, string>): Promise<TestApp> {
    const app = await startTestApp(db.url, env);
    apps.push(app);
    return app;
  }

  async function open(app: TestApp): Promise<ChatPage['page']> {
    const one = await openChatPage(browser, app.url);
    pages.push(one);
    return one.page;
  }

  const numbers = (from: number, to: number): number[] =>
    Array.from({ length: to - from + 1 }, (_, index) => from + index);

  async function fill(from: number, to: number, senderId: string): Promise<void> {
    await db.sql`
      INSERT INTO messaging.messages (conversation_id, sender_id, content, seq)
      SELECT ${conversation_id}, ${senderId}, 'message ' || n, n
      FROM generate_series(${from}::int, ${to}::int) AS n`;
    await db.sql`
      UPDATE messaging.conversations SET last_seq = ${to}, last_message_at = now()
      WHERE id = ${conversation_id}`;
  }

  async function scrollToBeginning(page: ChatPage['page']): Promise<void> {
    const log = page.getByRole('log');
    await waitFor(
      async () => {
        await log.evaluate((box) => {
          box.scrollTop = 0;
        });
        return log.getByText('This is the beginning.').isVisible();
      },
      { what: 'the beginning', timeoutMs: 30_000 },
    );
  }

  describe('with a token that ends', () => {
    const tokenOf = (person: TestPerson, seconds: number): Promise<string> =>
      new SignJWT({ sub: person.id })
        .setProtectedHeader({ alg: 'HS256' })
        .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
        .sign(new TextEncoder().encode(SECRET));

    async function enterWith(page: ChatPage['page'], token: string): Promise<void> {
      await page.getByLabel('Your token (JWT)').fill(token);
      await page.getByRole('button', { name: 'Enter' }).click();
      await openConversation(page, conversation_id);
    }

    async function renewWith(page: ChatPage['page'], token: string): Promise<void> {
      await page.getByLabel('New token:').fill(token);
      await page.getByRole('button', { name: 'Renew' }).click();
    }

    it('asks for a new one in time, and goes on over the end of the old one', async () => {
      const app = await start({ JWT_SECRET: SECRET });
      const page = await open(app);
      const short = await tokenOf(alice, 10);
      // Whoever does not renew is ended: by that it is known that the old token's time is over.
      const other = app.connect('', { auth: { token: short } });
      await connected(other);
      const ended = once(other, 'disconnect', 30_000);
      await enterWith(page, short);
      await page.getByText('Your token is about to expire.').waitFor();
      await renewWith(page, await tokenOf(bob, 300));
      await page.getByText('This is not a token of yours.').waitFor();
      await renewWith(page, await tokenOf(alice, 300));
      await waitFor(async () => (await page.getByLabel('New token:').count()) === 0, {
        what: 'the renewal',
      });
      const phases: string[] = [];
      await page.exposeFunction('phaseChanged', (phase: string) => void phases.push(phase));
      await page.evaluate(`new MutationObserver(() =>
        phaseChanged(document.querySelector('.badge').textContent))
        .observe(document.querySelector('.badge'), { characterData: true, subtree: true })`);
      expect((await ended)[0]).toBe('transport close');
      other.close();
      await say(page, 'still here');
      await waitFor(async () => (await shownSeqs(page)).length === 1, { what: 'the message' });
      expect(phases).toEqual([]);
      // REST calls go on too, and so does the next visit of this tab.
      await page.reload();
      await openConversation(page, conversation_id);
      await page.getByRole('log').getByText('still here').waitFor();
    });

    it('comes back with a new one when the old one has ended the connection', async () => {
      const app = await start({ JWT_SECRET: SECRET });
      const page = await open(app);
      await enterWith(page, await tokenOf(alice, 6));
      await say(page, 'before');
      await page.getByText('Ended', { exact: true }).waitFor({ timeout: 30_000 });
      await renewWith(page, await tokenOf(alice, 300));
      await page.getByText('Online', { exact: true }).waitFor();
      await say(page, 'after');
      await waitFor(async () => (await shownSeqs(page)).length === 2, { what: 'both messages' });
      expect(await shownSeqs(page)).toEqual([1, 2]);
    });
  });

  it('too far behind, starts anew and has the complete thread, each message once', async () => {
    const app = await start({ MAX_REPLAY: String(MAX_REPLAY) });
    const page = await open(app);
    await enterAs(page, alice.id);
    await openConversation(page, conversation_id);
    await say(page, 'first');
    await waitFor(async () => (await shownSeqs(page)).length === 1, { what: 'the first' });
    await fetch(`${app.url}/messages/users/${alice.id}/disconnect`, { method: 'POST' });
    await page.getByText('Ended', { exact: true }).waitFor();
    const other = app.connect(bob.id);
    await connected(other);
    // More than a replay, and more than a page of history.
    const last = 1 + MAX_REPLAY + 55;
    for (let n = 2; n <= last; n += 1) {
      await ask(other, 'send_message', { conversation_id, content: `message ${n}` });
    }
    await page.getByRole('button', { name: 'Connect again' }).click();
    await page.getByRole('log').getByText(`message ${last}`, { exact: true }).waitFor();
    await ask(other, 'send_message', { conversation_id, content: 'live' });
    await page.getByRole('log').getByText('live', { exact: true }).waitFor();
    await scrollToBeginning(page);
    expect(await shownSeqs(page)).toEqual(numbers(1, last + 1));
    const metrics = await (await fetch(`${app.url}/metrics`)).text();
    expect(metrics).toContain('messaging_joins_total{outcome="resync"} 1');
  });

  it('told that the store itself has lost messages, shows all there are and goes on', async () => {
    const app = await start({ HEAD_CHECK_INTERVAL_MS: '100' });
    await fill(1, 6, bob.id);
    const page = await open(app);
    await enterAs(page, alice.id);
    await openConversation(page, conversation_id);
    await waitFor(async () => (await shownSeqs(page)).length === 6, { what: 'the first six' });
    // 7 and 8 are gone before any node has heard of them.
    await fill(9, 10, bob.id);
    await waitFor(async () => (await shownSeqs(page)).length === 8, { what: 'what there is' });
    expect(await shownSeqs(page)).toEqual([...numbers(1, 6), 9, 10]);
    await say(page, 'and on');
    await waitFor(async () => (await shownSeqs(page)).at(-1) === 11, { what: 'a new message' });
    expect(await shownSeqs(page)).toEqual([...numbers(1, 6), 9, 10, 11]);
    await page.getByText('This is the beginning.').waitFor();
  });

  it('shows in a group what everybody has read, however many messages are on show', async () => {
    const app = await start({});
    conversation_id = await createConversation(db.sql, [alice, bob, carol]);
    await fill(1, 120, alice.id);
    const [readerB, readerC] = [app.connect(bob.id), app.connect(carol.id)];
    // Before anybody looks, so that the page has not heard of it.
    await ask(readerC, 'mark_read', { conversation_id });
    const page = await open(app);
    await enterAs(page, alice.id);
    await openConversation(page, conversation_id);
    await scrollToBeginning(page);
    expect(await shownSeqs(page)).toEqual(numbers(1, 120));
    expect(new Set(await shownStatuses(page))).toEqual(new Set(['sent']));
    await ask(readerB, 'mark_read', { conversation_id });
    await waitFor(async () => (await shownStatuses(page)).every((status) => status === 'read'), {
      what: 'two ticks at each of them',
    });
    expect((await shownStatuses(page)).length).toBe(120);
  });
});
