/** The chat page in a test: built if it is stale, opened in a browser, and used as a person would. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Other test files may have the machine's two cores. */
const PATIENCE_MS = 20_000;

/** Builds `dist/web` if it does not fit its sources; several test files may do so at once. */
export async function buildPage(): Promise<void> {
  const child = spawn(process.execPath, ['scripts/build-page.mjs'], {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`the page could not be built:\n${complaint}`);
}

export interface ChatPage {
  readonly page: Page;
  /** Errors on the console but those of a service that is away or a session that has ended, and uncaught exceptions. */
  readonly complaints: string[];
  close(): Promise<void>;
}

/** Opens the page as somebody who has never been there. */
export async function openChatPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<ChatPage> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const complaints: string[] = [];
  page.on('console', (message) => {
    const text = message.text();
    // The stock client's goodbye over polling overtakes its last poll, which then finds no session.
    const isLastPoll =
      text.includes('status of 400') && message.location().url.includes('transport=polling');
    const isAway = /ERR_CONNECTION|WebSocket connection/.test(text);
    if (message.type() === 'error' && !isAway && !isLastPoll) complaints.push(text);
  });
  page.on('pageerror', (error) => void complaints.push(String(error)));
  await page.goto(url);
  return { page, complaints, close: () => context.close() };
}

/** Enters by user id. */
export async function enterAs(within: Page | Locator, userId: string): Promise<void> {
  await within.getByLabel('By user id').fill(userId);
  await within.getByRole('button', { name: 'Enter' }).click();
  await within.getByText('Online', { exact: true }).waitFor();
}

/** Opens a conversation from the list. */
export async function openConversation(within: Page | Locator, id: string): Promise<void> {
  await within.locator(`[data-conversation="${id}"]`).click();
  await within.getByRole('log').waitFor();
}

/** Types a message and sends it with the keyboard. */
export async function say(within: Page | Locator, text: string): Promise<void> {
  const box = within.getByPlaceholder('Message');
  await box.fill(text);
  await box.press('Enter');
}

/** What the log shows, top to bottom: every message's text, sent or not. */
export function shownTexts(within: Page | Locator): Promise<string[]> {
  return within.locator('.message span.text').allTextContents();
}

/** The positions the log shows, top to bottom. */
export async function shownSeqs(within: Page | Locator): Promise<number[]> {
  const seqs = await within
    .locator('[data-seq]')
    .evaluateAll((items) => items.map((item) => item.getAttribute('data-seq')));
  return seqs.map(Number);
}

/** The ticks of one's own messages, top to bottom. */
export async function shownStatuses(within: Page | Locator): Promise<(string | null)[]> {
  return within
    .locator('.message.mine[data-status]')
    .evaluateAll((items) => items.map((item) => item.getAttribute('data-status')));
}
