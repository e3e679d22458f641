import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingBrowser } from '../support/browser.ts';
import { answer } from '../support/provider.ts';
import { signIn } from './console.ts';
import { begin } from './conversation.ts';
import { type OpenConsole, openConsole } from './page.ts';

/** Compressed, of all scripts that somebody loads who has never been here. */
const mostBytes = 200 * 1024;

let opened: OpenConsole;

const isThere = missingBrowser() === undefined;

beforeAll(async () => {
  if (!isThere) return;
  opened = await openConsole();
}, 200_000);
afterAll(async () => {
  await opened?.close();
});

/** Of all scripts since the page was loaded: as they are compressed, or what of that came over the network. */
async function scriptBytes(page: Page, size: 'encodedBodySize' | 'transferSize'): Promise<number> {
  await page.waitForLoadState('networkidle');
  return page.evaluate<number>(`performance.getEntriesByType('resource')
    .filter(({ name }) => new URL(name).pathname.endsWith('.js'))
    .reduce((sum, { ${size} }) => sum + ${size}, 0)`);
}

describe.skipIf(!isThere)('a first visit', () => {
  it('loads few scripts, compressed, from the sign-in to the first answer', { timeout: 60_000 }, async () => {
    const { app, browser } = opened;
    const context = await browser.newContext({ locale: 'en-US' });
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    const encodings = new Set<string | null>();
    page.on('response', async (response) => {
      if (response.request().resourceType() === 'script') encodings.add(await response.headerValue('content-encoding'));
    });
    await page.goto(app.url);
    await page.locator('input[type="password"]').waitFor();
    const shown = await scriptBytes(page, 'encodedBodySize');
    await signIn(page, await app.token('newcomer'));
    app.provider.script(answer('Hello. Tell me **everything**.'));
    await begin(page);
    await page.locator('.answer strong').waitFor();
    const whole = await scriptBytes(page, 'encodedBodySize');
    console.log(
      `scripts: ${(shown / 1024).toFixed(1)} KB until the page is there, ${(whole / 1024).toFixed(1)} KB in all`,
    );
    expect(shown).toBeGreaterThan(10_000);
    expect(whole).toBeLessThanOrEqual(mostBytes);
    expect([...encodings]).toEqual(['br']);

    // The second time there is nothing to load.
    await page.reload();
    await page.locator('.answer strong').waitFor();
    expect(await scriptBytes(page, 'transferSize')).toBe(0);
    await context.close();
  });
});
