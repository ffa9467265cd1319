// The page through the death of the service in mid-conversation: nothing lost, nothing twice.

import { randomInt } from 'node:crypto';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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
  shownTexts,
} from '../support/page.ts';
import { createConversation, createPerson, type TestPerson } from '../support/people.ts';
import { type ServiceProcess, startService } from '../support/service-process.ts';
import { waitFor } from '../support/wait.ts';

const executable = await findChromium();
const TIMEOUT_MS = 120_000;
/**
 * Below the range from which outgoing connections are given their ports: while nobody listens, a
 * browser that tries again could otherwise be given the very port and keep it.
 */
const PORT = String(randomInt(20_000, 30_000));

describe.skipIf(executable === undefined)('the service is killed', { timeout: TIMEOUT_MS }, () => {
  let browser: Browser;
  let db: TestDatabase;
  let service: ServiceProcess;
  let people: [TestPerson, TestPerson];
  let conversation_id: string;
  const pages: ChatPage[] = [];

  beforeAll(async () => {
    await buildPage();
    [browser, db] = await Promise.all([launchChromium(executable ?? ''), createTestDatabase()]);
    people = [await createPerson(db.sql, 'Alice'), await createPerson(db.sql, 'Bob')];
    conversation_id = await createConversation(db.sql, people);
    service = await startService({ DATABASE_URL: db.url, PORT });
    for (const person of people) {
      const one = await openChatPage(browser, service.url);
      pages.push(one);
      await enterAs(one.page, person.id);
      await openConversation(one.page, conversation_id);
    }
  }, TIMEOUT_MS);
  afterAll(async () => {
    await browser?.close();
    await service?.discard();
    await db?.drop();
  });

  it('in mid-conversation, and both pages go on with every message once', async () => {
    const [a, b] = pages.map(({ page }) => page) as [Page, Page];
    const said: string[] = [];
    async function talk(from: number, to: number): Promise<void> {
      for (let n = from; n < to; n++) {
        said.push(`a${n}`, `b${n}`);
        await Promise.all([say(a, `a${n}`), say(b, `b${n}`)]);
      }
    }

    await talk(0, 5);
    // Under way while it dies: some are stored without an answer, some never arrive.
    const dying = talk(5, 12);
    await waitFor(async () => (await shownTexts(a)).length > 12, { what: 'a talk under way' });
    service.kill('SIGKILL');
    await Promise.all([dying, service.exited]);
    await Promise.all(pages.map(({ page }) => page.getByText(/^Offline$/).waitFor()));
    await talk(12, 15);
    await a.getByText(/messages? waits? here/).waitFor();
    expect(await a.locator('[data-outgoing="waiting"]').count()).toBeGreaterThanOrEqual(3);

    service = await startService({ DATABASE_URL: db.url, PORT });
    const everything = Array.from({ length: said.length }, (_, index) => index + 1);
    for (const page of [a, b]) {
      await waitFor(async () => (await shownSeqs(page)).length >= said.length, {
        what: 'every message as a stored one',
        timeoutMs: 40_000,
      });
      await waitFor(async () => (await page.locator('[data-outgoing]').count()) === 0, {
        what: 'nothing left to be sent',
      });
      expect(await shownSeqs(page)).toEqual(everything);
      expect((await shownTexts(page)).sort()).toEqual([...said].sort());
    }
    expect(await shownTexts(a)).toEqual(await shownTexts(b));
    for (const who of ['a', 'b']) {
      const own = (await shownTexts(a)).filter((text) => text.startsWith(who));
      expect(own).toEqual(said.filter((text) => text.startsWith(who)));
    }
    const [row] = await db.sql`
      SELECT count(*)::int AS stored FROM messaging.messages WHERE conversation_id = ${conversation_id}`;
    expect(row).toEqual({ stored: said.length });
    expect(pages.flatMap(({ complaints }) => complaints)).toEqual([]);
  });

  it('with messages waiting, and a page that is closed and opened again sends them', async () => {
    const [a] = pages.map(({ page }) => page) as [Page, Page];
    await service.discard();
    await a.getByText(/^Offline$/).waitFor();
    await say(a, 'kept over a reload');
    await a.getByRole('log').getByText('kept over a reload').waitFor();
    service = await startService({ DATABASE_URL: db.url, PORT });
    await a.reload();
    await openConversation(a, conversation_id);
    await waitFor(
      async () => {
        const [row] = await db.sql`
          SELECT count(*)::int AS n FROM messaging.messages WHERE content = 'kept over a reload'`;
        return row?.n === 1 && (await a.locator('[data-outgoing]').count()) === 0;
      },
      { what: 'the kept message to be stored', timeoutMs: 30_000 },
    );
    const texts = await shownTexts(a);
    expect(texts.filter((text) => text === 'kept over a reload')).toHaveLength(1);
  });
});
