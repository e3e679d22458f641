import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingBrowser } from '../support/browser.ts';
import { clips } from '../support/clip.ts';
import { answer, gate, refusal } from '../support/provider.ts';
import { type SpeechProvider, startSpeechProvider, transcript } from '../support/speech-provider.ts';
import { consoleBuilt } from './console.ts';
import { answered, expectShown, said } from './conversation.ts';
import { expectFocus, expectTrapped, focusOf, tabTo } from './focus.ts';
import { type OpenConsole, openConsole } from './page.ts';
import { type SpokenFile, spokenFile } from './spoken-file.ts';

let spoken: SpokenFile;
let speech: SpeechProvider;
let opened: OpenConsole;

const isThere = missingBrowser() === undefined;

beforeAll(async () => {
  if (!isThere) return;
  [spoken, speech] = await Promise.all([spokenFile(clips[7]?.file ?? ''), startSpeechProvider(), consoleBuilt()]);
  opened = await openConsole({
    microphone: { file: spoken.file },
    env: { STT_PROVIDER: 'openai', STT_BASE_URL: speech.url },
  });
}, 200_000);
afterAll(async () => {
  await opened?.close();
  await speech?.close();
  await spoken?.remove();
});

const greeting = 'Hello. What would you like to tell me about?';
const running = (text: string) => ({ ...answered(text), status: 'running' });
const interrupted = (text: string) => ({ ...answered(text), status: 'interrupted' });

/** Begins a conversation from wherever the focus is. */
async function beginByKeyboard(page: Page): Promise<void> {
  opened.app.provider.script(answer(greeting));
  await tabTo(page, 'New conversation');
  await page.keyboard.press('Enter');
  await expectShown(page).toEqual([answered(greeting)]);
  await expectFocus(page, 'Message');
}

async function choose(page: Page, action: string): Promise<void> {
  await tabTo(page, 'More', 'Shift+Tab');
  await page.keyboard.press('Enter');
  await expectFocus(page, 'Rename');
  for (let at = 0; at < 4 && (await focusOf(page)).name !== action; at++) await page.keyboard.press('ArrowDown');
  await expectFocus(page, action);
  await page.keyboard.press('Enter');
  await page.locator('dialog[open]').waitFor();
}

async function closed(page: Page, backTo: string): Promise<void> {
  await page.locator('dialog').waitFor({ state: 'detached' });
  await expectFocus(page, backTo);
}

describe.skipIf(!isThere)('with the keyboard only', () => {
  it('signs in, talks, stops, looks, renames, tries again, ends and deletes', { timeout: 90_000 }, async () => {
    const { app, browser, complaints } = opened;
    const context = await browser.newContext({ locale: 'en-US', viewport: { width: 1280, height: 860 } });
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    await page.goto(app.url);
    await page.getByLabel('Access token').waitFor();
    await tabTo(page, 'Access token');
    await page.keyboard.insertText(await app.token('keys'));
    await page.keyboard.press('Enter');
    await page.locator('.workspace').waitFor();
    await expectFocus(page);

    await beginByKeyboard(page);
    const [first, rest, second] = [gate(), gate(), gate()];
    app.provider.script(answer('It was ', first, 'a long ', rest, 'winter.'));
    await page.keyboard.type('Tell me of the winter.');
    await page.keyboard.press('Enter');
    const asked = [answered(greeting), said('Tell me of the winter.')];
    await expectShown(page).toEqual([...asked, running('It was')]);
    await expectFocus(page, 'Message');

    // Escape closes what is open before it stops the agent.
    await choose(page, 'Rename');
    await page.keyboard.press('Escape');
    await closed(page, 'More');
    await page.keyboard.press('Enter');
    await expectFocus(page, 'Rename');
    await page.keyboard.press('Escape');
    await expectFocus(page, 'More');
    first.release();
    await expectShown(page).toEqual([...asked, running('It was a long')]);
    await page.keyboard.press('Escape');
    await expectShown(page).toEqual([...asked, interrupted('It was a long')]);
    rest.release();
    await expectFocus(page, 'More');

    // The button that stops is gone when it has stopped, and so is the one that tries again.
    app.provider.script(answer('It was ', second, 'a long winter, with much snow.'));
    await tabTo(page, 'Try again');
    await page.keyboard.press('Enter');
    await page.locator('[data-status="running"]').waitFor();
    await expectFocus(page);
    await tabTo(page, 'Stop');
    await page.keyboard.press('Enter');
    await page.locator('[data-status="running"]').waitFor({ state: 'detached' });
    await expectFocus(page);
    second.release();

    app.provider.script(refusal(400));
    await tabTo(page, 'Message', 'Shift+Tab');
    await page.keyboard.type('And the spring?');
    await tabTo(page, 'Send');
    await page.keyboard.press('Enter');
    await page.locator('.failure').waitFor();
    await expectFocus(page, 'Message');
    app.provider.script(answer('The spring came late.'));
    await tabTo(page, 'Try again', 'Shift+Tab');
    await page.keyboard.press('Enter');
    await page.getByText('The spring came late.', { exact: true }).first().waitFor();
    await expectFocus(page);

    await tabTo(page, 'Timeline', 'Shift+Tab');
    await page.keyboard.press('Enter');
    await page.locator('.timeline .events').first().waitFor();
    await expectFocus(page, 'Timeline');
    await tabTo(page, 'Events');
    await tabTo(page, 'Close', 'Shift+Tab');
    await page.keyboard.press('Enter');
    await page.locator('.timeline').waitFor({ state: 'detached' });
    await expectFocus(page, 'Timeline');

    await choose(page, 'Rename');
    await expectTrapped(page);
    await page.keyboard.press('Escape');
    await closed(page, 'More');
    await choose(page, 'Rename');
    await expectFocus(page, 'Title');
    await page.keyboard.press('ControlOrMeta+a');
    await page.keyboard.type('The long winter');
    await page.keyboard.press('Enter');
    await closed(page, 'More');
    await page.getByRole('heading', { name: 'The long winter' }).waitFor();

    await choose(page, 'End conversation');
    await expectTrapped(page);
    await tabTo(page, 'End conversation');
    await page.keyboard.press('Enter');
    await closed(page, 'More');
    await page.getByText('This conversation has ended.').waitFor();

    await choose(page, 'Delete');
    await expectFocus(page, 'Cancel');
    await page.keyboard.press('Enter');
    await closed(page, 'More');
    await choose(page, 'Delete');
    await tabTo(page, 'Delete');
    await page.keyboard.press('Enter');
    await page.getByText('Nothing here yet.').waitFor();
    await expectFocus(page);
    expect(complaints).toEqual([]);
    await context.close();
  });

  it('changes theme and language, holds a key to talk, and signs out', { timeout: 90_000 }, async () => {
    const { app, page } = opened;
    await beginByKeyboard(page);
    speech.script(transcript('We had five children.'));
    app.provider.script(answer('Five!'));
    await tabTo(page, 'Hold to talk');
    await page.keyboard.down('Space');
    await page.locator('.recording time').getByText('0:01').waitFor();
    await expectFocus(page, 'Send recording');
    await page.keyboard.up('Space');
    const spoke = [answered(greeting), said('We had five children.'), answered('Five!')];
    await expectShown(page).toEqual(spoke);
    await expectFocus(page, 'Hold to talk');

    // A short press begins and another one ends; Escape takes back what was said.
    await page.keyboard.press('Enter');
    await page.locator('.recording time').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('.recording').waitFor({ state: 'detached' });
    await expectFocus(page, 'Hold to talk');
    await expectShown(page).toEqual(spoke);
    speech.script(transcript('And two more later.'));
    app.provider.script(answer('Seven, then.'));
    await page.keyboard.press('Enter');
    await page.locator('.recording time').getByText('0:01').waitFor();
    await page.keyboard.press('Enter');
    await expectShown(page).toEqual([...spoke, said('And two more later.'), answered('Seven, then.')]);
    await expectFocus(page, 'Hold to talk');

    await tabTo(page, 'Settings', 'Shift+Tab');
    await page.keyboard.press('Enter');
    await page.locator('dialog[open]').waitFor();
    await expectTrapped(page);
    await tabTo(page, 'System');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    await expectFocus(page, 'Dark');
    expect(await page.evaluate('getComputedStyle(document.documentElement).colorScheme')).toBe('dark');
    await tabTo(page, 'Automatic');
    await page.keyboard.press('ArrowLeft');
    await expectFocus(page, '中文');
    expect(await page.evaluate('document.documentElement.lang')).toBe('zh-CN');
    await page.keyboard.press('Escape');
    await closed(page, '设置');
    await page.reload();
    await page.getByRole('button', { name: '设置' }).waitFor();
    expect(await page.evaluate('getComputedStyle(document.documentElement).colorScheme')).toBe('dark');
    await tabTo(page, '设置');
    await page.keyboard.press('Enter');
    await tabTo(page, '退出登录');
    await page.keyboard.press('Enter');
    await page.locator('.sign-in').waitFor();
    await expectFocus(page);
    expect(opened.complaints).toEqual([]);
  });
});
