// The OpenAPI page as a person sees it.

import { SignJWT } from 'jose';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp } from '../support/app.ts';
import {
  findChromium,
  launchChromium,
  NAMED_HOST,
  type OpenedPage,
  openPage,
} from '../support/browser.ts';
import { useScene } from '../support/scene.ts';

/** A page without its assets is white, and compresses to far less. */
const MIN_SCREENSHOT_BYTES = 30_000;

const executable = await findChromium();

describe.skipIf(executable === undefined)('/docs in a browser', () => {
  let browser: Browser;
  // Else it could be called by no name but localhost.
  const scene = useScene({ settings: { CORS_ORIGINS: '*' } });
  let docs: OpenedPage;

  beforeAll(async () => {
    browser = await launchChromium(executable ?? '');
    docs = await openPage(browser, `${scene.app.url}/docs`);
  });
  afterAll(async () => {
    await browser?.close();
  });

  it('shows every operation of the document', async () => {
    const response = await fetch(`${scene.app.url}/docs/json`);
    const document: { paths: Record<string, object> } = JSON.parse(await response.text());
    const methods = new Set(['get', 'post', 'put', 'delete', 'patch', 'head']);
    const documented = Object.entries(document.paths)
      .flatMap(([path, operations]) =>
        Object.keys(operations)
          .filter((method) => methods.has(method))
          .map((method) => `${method.toUpperCase()} ${path}`),
      )
      .sort();
    const blocks = docs.page.locator('.opblock');
    await blocks.first().waitFor();
    const shown = await blocks.evaluateAll((elements) =>
      elements.map((element) => {
        const text = (part: string) => element.querySelector(part)?.textContent?.trim() ?? '';
        return `${text('.opblock-summary-method')} ${text('.opblock-summary-path')}`;
      }),
    );
    // The page puts invisible break opportunities into long paths.
    expect(shown.map((line) => line.replaceAll('\u200b', '')).sort()).toEqual(documented);
    expect(documented).toContain('POST /messages/{conversationId}');

    const screenshot = await docs.page.screenshot({ fullPage: true });
    expect(screenshot.subarray(1, 4).toString()).toBe('PNG');
    expect(screenshot.length).toBeGreaterThan(MIN_SCREENSHOT_BYTES);
  });

  it('tries an operation out', async () => {
    const health = docs.page.locator('.opblock', {
      has: docs.page.locator('[data-path="/health"]'),
    });
    await health.locator('.opblock-summary-control').click();
    await health.getByRole('button', { name: 'Try it out' }).click();
    await health.getByRole('button', { name: 'Execute' }).click();
    const answer = health.locator('.live-responses-table .response');
    await answer.waitFor();
    expect(await answer.locator('.response-col_status').innerText()).toMatch(/^200/);
    expect(await answer.locator('.response-col_description').innerText()).toContain('healthy');
  });

  it('makes the browser complain about nothing', () => {
    expect(docs.complaints).toEqual([]);
  });

  it('sends the token of whoever is authorized', async () => {
    const secret = 'a secret of at least thirty-two bytes';
    const app = await startTestApp(scene.db.url, { CORS_ORIGINS: '', JWT_SECRET: secret });
    const own = await openPage(browser, `${app.url}/docs`);
    try {
      const token = await new SignJWT({ sub: scene.alice.id })
        .setProtectedHeader({ alg: 'HS256' })
        .setExpirationTime('5m')
        .sign(new TextEncoder().encode(secret));
      await own.page.getByRole('button', { name: 'Authorize' }).first().click();
      const dialog = own.page.locator('.dialog-ux');
      const bearer = dialog.locator('.auth-container', { hasText: 'bearer' }).first();
      await bearer.locator('input').fill(token);
      await bearer.getByRole('button', { name: 'Apply credentials' }).click();
      await dialog.getByRole('button', { name: 'Close' }).first().click();
      const list = own.page.locator('.opblock', {
        has: own.page.locator('[data-path="/messages/conversations/{userId}"]'),
      });
      await list.locator('.opblock-summary-control').click();
      await list.getByRole('button', { name: 'Try it out' }).click();
      await list.locator('tr[data-param-name="userId"] input').fill(scene.alice.id);
      await list.getByRole('button', { name: 'Execute' }).click();
      const answer = list.locator('.live-responses-table .response');
      await answer.waitFor();
      expect(await answer.locator('.response-col_status').innerText()).toMatch(/^200/);
    } finally {
      await own.close();
      await app.stop();
    }
  });

  it('is there over plain HTTP on a host with a name, too', async () => {
    const named = await openPage(browser, `http://${NAMED_HOST}:${scene.app.port}/docs`);
    await named.page.locator('.opblock').first().waitFor({ timeout: 10_000 });
    await named.close();
  });
});
