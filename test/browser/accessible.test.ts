import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingBrowser } from '../support/browser.ts';
import { clips } from '../support/clip.ts';
import { answer, chunk, gate, refusal } from '../support/provider.ts';
import { write } from './conversation.ts';
import { gallery } from './gallery.ts';
import { type OpenConsole, openConsole } from './page.ts';
import { type SpokenFile, spokenFile } from './spoken-file.ts';

let spoken: SpokenFile;
let folder: string;
let opened: OpenConsole;

const isThere = missingBrowser() === undefined;

beforeAll(async () => {
  if (!isThere) return;
  folder = await mkdtemp(join(tmpdir(), 'parley-browser-files-'));
  spoken = await spokenFile(clips[7]?.file ?? '');
  opened = await openConsole({
    user: 'nobody',
    microphone: { file: spoken.file },
    env: { STORAGE_URL: `file://${folder}` },
  });
}, 200_000);
afterAll(async () => {
  await opened?.close();
  await spoken?.remove();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

/** Of colours, languages and widths, any two values of two of them come together in one of these. */
const looks = [
  { theme: 'light', language: 'en', width: 1280 },
  { theme: 'light', language: 'zh', width: 390 },
  { theme: 'dark', language: 'zh', width: 1280 },
  { theme: 'dark', language: 'en', width: 390 },
] as const;

/** Also what would otherwise be judged in the middle of a change of its colour. */
const settled = `Promise.all(document.getAnimations().map(({ finished }) => finished.catch(() => {})))`;

/** What axe finds that is serious, and what does not fit into the page's width, in each look. */
async function faults(page: Page, state: string): Promise<string[]> {
  const found: string[] = [];
  for (const { theme, language, width } of looks) {
    await page.setViewportSize({ width, height: 860 });
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
    // As another window of the page tells it.
    await page.evaluate(`(() => {
      const kept = JSON.parse(localStorage.getItem('parley.settings') ?? '{}');
      localStorage.setItem('parley.settings', JSON.stringify({ ...kept, language: '${language}' }));
      window.dispatchEvent(new StorageEvent('storage', { key: 'parley.settings' }));
    })()`);
    await page.locator(`html[lang^="${language}"]`).waitFor({ state: 'attached' });
    await page.evaluate(settled);
    const { violations } = await page.evaluate<axe.AxeResults>('axe.run({ resultTypes: ["violations"] })');
    const where = `${state}, ${theme}, ${language}, ${width}:`;
    for (const { id, impact, nodes } of violations)
      if (impact === 'serious' || impact === 'critical')
        found.push(`${where} ${id}: ${nodes.map(({ html, any }) => `${html} ${any[0]?.message ?? ''}`).join(' ')}`);
    if ((await page.evaluate('document.documentElement.scrollWidth')) !== width) found.push(`${where} too wide`);
  }
  await page.setViewportSize({ width: 1280, height: 860 });
  return found;
}

/** Its own scripts are all that the page may run: axe comes in by the browser's own door, once for each document. */
async function withAxe(page: Page): Promise<void> {
  await page.evaluate(axe.source);
}

describe.skipIf(!isThere)('axe finds nothing serious', () => {
  it('before anything is there, and where somebody signs in', { timeout: 60_000 }, async () => {
    const { app, browser, page } = opened;
    await withAxe(page);
    await page.getByText('Nothing here yet.').waitFor();
    expect(await faults(page, 'empty list')).toEqual([]);

    const context = await browser.newContext({ locale: 'en-US' });
    const stranger = await context.newPage();
    await stranger.goto(app.url);
    await withAxe(stranger);
    await stranger.locator('input[type="password"]').fill('no token');
    await stranger.locator('button[type="submit"]').click();
    await stranger.getByText('This token is not valid here').waitFor();
    expect(await faults(stranger, 'refused')).toEqual([]);
    await context.close();
  });

  it('in a conversation, whatever has become of its messages', { timeout: 60_000 }, async () => {
    const { app, open } = opened;
    const page = await open({ user: 'ada' });
    await page.goto(`${app.url}/c/${await gallery(app, 'ada')}`);
    await withAxe(page);
    for (const shown of ['.failure', '.unheard', '.card', 'button.file', '.attachment-image', '.table', 'pre']) {
      // A log that shows only what can be seen of it is gone through from its end.
      await expect
        .poll(
          async () => {
            const place = page.locator(shown).first();
            if (await place.isVisible()) return true;
            await page.locator('.log').evaluate((log) => log.scrollBy(0, -300));
            return false;
          },
          { timeout: 20_000 },
        )
        .toBe(true);
      if (shown === '.failure' || shown === 'button.file' || shown === 'pre')
        expect(await faults(page, shown)).toEqual([]);
    }
    await page.locator('.list-item').last().click();
    await page.locator('.over-note').waitFor();
    expect(await faults(page, 'ended')).toEqual([]);
    await page.goto(`${app.url}/c/nothing`);
    await withAxe(page);
    await page.getByRole('alert').waitFor();
    expect(await faults(page, 'not found')).toEqual([]);
    await page.context().close();
  });

  it('while somebody asks and is answered, and in what opens meanwhile', { timeout: 90_000 }, async () => {
    const { app, open } = opened;
    const page = await open({ user: 'grace' });
    await withAxe(page);
    const [first, second] = [gate(), gate()];
    app.provider.script(answer('Hello. ', 'What is on your mind?'), answer('It is **so** that ', first, 'it goes.'));
    await page.locator('.home .button').click();
    await page.getByText('What is on your mind?').first().waitFor();
    await page.locator('#timeline-toggle').click();
    await write(page, 'Tell me.');
    await page.locator('[data-status="running"] strong').waitFor();
    expect(await faults(page, 'answering, with the timeline')).toEqual([]);
    first.release();
    await page.locator('[data-status="running"]').waitFor({ state: 'detached' });
    await page.locator('.timeline-head button').click();

    app.provider.script(refusal(400), { steps: [chunk({ role: 'assistant', content: '' }), second] });
    await write(page, 'And then?');
    await page.locator('.failure').waitFor();
    expect(await faults(page, 'failed')).toEqual([]);
    await write(page, 'Try once more.');
    await page.locator('.pending').waitFor();
    expect(await faults(page, 'thinking')).toEqual([]);

    for (const item of [0, 1, 2]) {
      await page.locator('.menu > button').click();
      if (item === 0) expect(await faults(page, 'menu')).toEqual([]);
      await page.locator('.menu-item').nth(item).click();
      await page.locator('dialog[open]').waitFor();
      if (item !== 1) expect(await faults(page, `dialog ${item}`)).toEqual([]);
      await page.keyboard.press('Escape');
      await page.locator('dialog').waitFor({ state: 'detached' });
    }
    await page.locator('.brand button').first().click();
    expect(await faults(page, 'settings')).toEqual([]);
    await page.keyboard.press('Escape');

    await page.locator('.talk-button').focus();
    await page.keyboard.press('Enter');
    await page.locator('.recording time').waitFor();
    expect(await faults(page, 'recording')).toEqual([]);
    await page.keyboard.press('Escape');
    await page.locator('.recording').waitFor({ state: 'detached' });
    second.release();
    await page.context().close();
    expect(opened.complaints.filter((complaint) => !/40[14]/.test(complaint))).toEqual([]);
  });
});
