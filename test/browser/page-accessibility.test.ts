// What a screen reader and a keyboard find on the page, and axe-core's rules over each of its views.

import { createRequire } from 'node:module';
import type axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ask, connected } from '../support/app.ts';
import { findChromium, launchChromium } from '../support/browser.ts';
import {
  buildPage,
  type ChatPage,
  enterAs,
  openChatPage,
  openConversation,
  say,
} from '../support/page.ts';
import { createPerson, type TestPerson } from '../support/people.ts';
import { useScene } from '../support/scene.ts';

const executable = await findChromium();
const TIMEOUT_MS = 60_000;
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

describe.skipIf(executable === undefined)('the page for everybody', { timeout: TIMEOUT_MS }, () => {
  let browser: Browser;
  // Before the service, which looks for it when it starts.
  beforeAll(buildPage, TIMEOUT_MS);
  const scene = useScene();
  let alice: TestPerson;
  let bob: TestPerson;
  let conversation_id: string;

  beforeAll(async () => {
    browser = await launchChromium(executable ?? '');
  }, TIMEOUT_MS);
  afterAll(async () => {
    await browser?.close();
  });
  beforeEach(async () => {
    [alice, bob] = [
      await createPerson(scene.db.sql, 'Alice'),
      await createPerson(scene.db.sql, 'Bob'),
    ];
    conversation_id = await scene.conversation(alice, bob);
  });

  /** The page as it is: its policy lets no script of ours in, so that is set aside for axe alone. */
  function open(options = {}): Promise<ChatPage> {
    return openChatPage(browser, scene.app.url, { bypassCSP: true, ...options });
  }

  /** What axe-core finds wrong by the rules of WCAG 2.2 A and AA and its own best practices. */
  async function violations(page: Page): Promise<string[]> {
    await page.addScriptTag({ path: AXE });
    const { violations: found } = (await page.evaluate('axe.run()')) as axe.AxeResults;
    return found.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
    );
  }

  async function talkInProgress(page: Page): Promise<void> {
    await enterAs(page, alice.id);
    await openConversation(page, conversation_id);
    await say(page, 'Hello');
    const other = scene.app.connect(bob.id);
    await connected(other);
    await ask(other, 'send_message', { conversation_id, content: 'Good morning' });
    await page.getByRole('log').getByText('Good morning').waitFor();
  }

  it('axe-core is really asked', async () => {
    const { page, close } = await open();
    await page.evaluate(`document.body.append(document.createElement('button'))`);
    expect((await violations(page)).join()).toContain('button-name');
    await close();
  });

  it.each(['light', 'dark'] as const)('axe-core finds nothing in any view, %s', async (scheme) => {
    const { page, close } = await open({ colorScheme: scheme, reducedMotion: 'reduce' });
    await page.getByLabel('By user id').waitFor();
    expect(await violations(page)).toEqual([]);
    await talkInProgress(page);
    expect(await violations(page)).toEqual([]);
    await page.getByRole('button', { name: 'New conversation' }).click();
    await page.getByRole('button', { name: 'Start' }).waitFor();
    expect(await violations(page)).toEqual([]);
    await page.getByRole('button', { name: 'Second pane' }).click();
    await page.getByText('Who are you?').waitFor();
    expect(await violations(page)).toEqual([]);
    await close();
  });

  it('names its parts, and reads out new messages, typing and the connection', async () => {
    const { page, close } = await open();
    await talkInProgress(page);
    const tree = await page.locator('body').ariaSnapshot();
    for (const part of [
      /banner/,
      /heading "Messages" \[level=1\]/,
      /main/,
      /region "Alice’s messages"/,
      /navigation "Conversations"/,
      /button "New conversation"/,
      /heading "Bob" \[level=2\]/,
      /log "Messages with Bob"/,
      /textbox "Message to Bob"/,
      /button "Send a location"/,
      /status "Connection": Online/,
    ]) {
      expect(tree).toMatch(part);
    }
    // A log is a polite live region, in which additions alone are read out.
    const log = page.getByRole('log', { name: 'Messages with Bob' });
    expect(await log.getAttribute('aria-live')).not.toBe('off');
    const said = await log.ariaSnapshot();
    expect(said).toMatch(/You:[\s\S]*Hello[\s\S]*img "(Sent|Delivered|Read)"/);
    expect(said).toMatch(/Bob[\s\S]*Good morning/);
    await close();
  });

  it('is used with the keyboard alone', async () => {
    const { page, close } = await open();
    await page.getByLabel('By user id').focus();
    await page.keyboard.type(alice.id);
    await page.keyboard.press('Enter');
    await page.getByText('Online', { exact: true }).waitFor();
    await page.locator(`[data-conversation="${conversation_id}"]`).waitFor();
    const focused = () =>
      page.evaluate<string>(`document.activeElement.getAttribute('aria-label')
        ?? document.activeElement.dataset.conversation ?? ''`);
    const tabTo = async (label: string): Promise<void> => {
      for (let presses = 0; presses < 30; presses += 1) {
        if ((await focused()) === label) return;
        await page.keyboard.press('Tab');
      }
      throw new Error(`Tab does not come to ${label}`);
    };
    await tabTo(conversation_id);
    await page.keyboard.press('Enter');
    await tabTo('Messages with Bob');
    await tabTo('Message to Bob');
    await page.keyboard.type('By hand');
    await page.keyboard.press('Enter');
    await page.getByRole('log').getByText('By hand').waitFor();
    expect(await focused()).toBe('Message to Bob');
    await close();
  });
});
