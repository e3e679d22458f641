import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { missingBrowser, openBrowser } from '../support/browser.ts';
import { consoleBuilt } from './console.ts';

let app: App;
let browser: Browser;
let page: Page;
/** What the browser complained of, such as a script that the page's policy forbids. */
let complaints: string[];

const isThere = missingBrowser() === undefined;

beforeAll(async () => {
  if (!isThere) return;
  await consoleBuilt();
  app = await startApp({ env: { PLAYGROUND: 'on' }, model: 'echo:1' });
  browser = await openBrowser();
}, 180_000);
afterAll(async () => {
  await browser?.close();
  await app?.stop();
});

beforeEach(async () => {
  if (!isThere) return;
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 } });
  page = await context.newPage();
  page.setDefaultTimeout(20_000);
  complaints = [];
  page.on('console', (message) => void (message.type() === 'error' && complaints.push(message.text())));
  page.on('pageerror', (error) => void complaints.push(error.message));
  await page.goto(`${app.url}/playground`);
  await page.getByLabel('Access token or API key').fill(await app.token('ada'));
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('navigation', { name: 'Procedures' }).waitFor();
});
afterEach(async () => {
  if (!isThere) return;
  await page.context().close();
  expect(complaints).toEqual([]);
});

async function choose(path: string): Promise<void> {
  await page.locator(`nav a[href="#${path}"]`).click();
  await page.getByRole('heading', { name: path, exact: true }).waitFor();
}

/** Calls, and returns what is answered. */
async function call(): Promise<Record<string, unknown>> {
  await page.getByRole('button', { name: 'Call', exact: true }).click();
  await page
    .getByRole('status')
    .filter({ hasText: /^Answered in \d/ })
    .waitFor();
  return JSON.parse((await page.getByRole('region', { name: 'Result as JSON' }).textContent()) ?? '');
}

async function refused(): Promise<string> {
  await page.getByRole('button', { name: 'Call', exact: true }).click();
  const line = page.getByRole('status').filter({ hasText: /^[A-Z_]+ after \d/ });
  await line.waitFor();
  return (await line.textContent()) ?? '';
}

const rows = (type: string) => page.locator('.arrivals summary').filter({ hasText: type });

/** What axe finds that is serious. */
async function serious(): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<axe.AxeResults>('axe.run()');
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}

describe.skipIf(!isThere)('the playground', () => {
  it('calls procedures through forms, and watches what they bring about', async () => {
    await choose('system.ping');
    expect(await call()).toMatchObject({ version: expect.any(String) });

    await choose('conversations.create');
    await page.getByRole('button', { name: 'Add title' }).click();
    await page.getByLabel('title', { exact: true }).fill('By hand');
    const { id, title } = await call();
    expect([typeof id, title]).toEqual(['string', 'By hand']);

    await choose('conversations.events');
    expect(await page.getByLabel('conversationId', { exact: true }).inputValue()).toBe(id);
    await page.getByRole('button', { name: 'Subscribe' }).click();
    const subscription = page.getByRole('region', { name: 'Subscription conversations.events' });
    await subscription.getByText('live', { exact: true }).waitFor();

    await choose('turns.send');
    await page.getByLabel('text', { exact: true }).fill('one two');
    const { turnId } = await call();
    await rows('turn.completed').waitFor();
    expect(await rows('turn.started').count()).toBe(1);
    await rows('turn.completed').click();
    await page
      .getByRole('region', { name: /^Event \d+$/ })
      .getByText(String(turnId))
      .waitFor();

    await subscription.getByRole('button', { name: 'Stop' }).click();
    await subscription.getByText('stopped', { exact: true }).waitFor();
    await page.getByLabel('text', { exact: true }).fill('three four');
    const again = await call();
    expect(again.turnId).not.toBe(turnId);
    await choose('turns.get');
    await expect.poll(async () => (await call()).status, { timeout: 15_000 }).toBe('completed');
    expect(await rows('turn.started').count()).toBe(1);

    // Over another transport, too: it goes on after the last event.
    await page.getByLabel('Transport').selectOption('HTTP and SSE');
    await subscription.getByRole('button', { name: 'Resume' }).click();
    await expect.poll(() => rows('turn.completed').count(), { timeout: 15_000 }).toBe(2);
    expect(await rows('turn.started').count()).toBe(2);
    await subscription.getByRole('button', { name: 'Stop' }).click();
  });

  it('shows what is wrong where it is wrong, with the reason and its details', async () => {
    await choose('conversations.rename');
    await page.getByLabel('conversationId', { exact: true }).fill('not an id');
    expect(await refused()).toMatch(/^INVALID_INPUT after .* ms: /);
    const field = page.getByLabel('conversationId', { exact: true });
    expect(await field.getAttribute('aria-invalid')).toBe('true');
    await page.getByText('BAD_REQUEST (400)').waitFor();
    await page.getByRole('region', { name: 'Details of the failure' }).getByText('conversationId').waitFor();

    await page.getByRole('button', { name: 'New id: conversationId' }).click();
    expect(await field.inputValue()).toMatch(/^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-/);
    await page.getByLabel('title', { exact: true }).fill('x');
    expect(await refused()).toMatch(/^NOT_FOUND after /);
  });

  it('sends files as bytes, and inputs as JSON', async () => {
    await choose('attachments.upload');
    await page.getByLabel('Kind of input').selectOption({ index: 1 });
    await page
      .getByLabel('data', { exact: true })
      .setInputFiles({ name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') });
    await page.getByText('5 bytes to send.').waitFor();
    await page.getByRole('button', { name: 'JSON', exact: true }).click();
    const text = page.getByLabel('Input as JSON');
    expect(JSON.parse(await text.inputValue())).toEqual({ data: { $bytes: 5 } });
    await text.fill('{"data":{"$bytes":5},"filename":"b.txt"');
    await page.getByRole('button', { name: 'Call', exact: true }).click();
    await page.getByText(/JSON at position|Expected/).waitFor();
    await text.fill('{"data":{"$bytes":5},"filename":"b.txt"}');
    expect(await call()).toMatchObject({ filename: 'b.txt', size: 5 });
    await page.getByRole('button', { name: 'Form', exact: true }).click();
    expect(await page.getByLabel('filename', { exact: true }).inputValue()).toBe('b.txt');
    await page.getByText('5 bytes to send.').waitFor();
  });

  it('is used with the keyboard alone', async () => {
    const press = async (key: string, isThere: () => Promise<boolean>): Promise<void> => {
      for (let presses = 0; presses < 40; presses++) {
        if (await isThere()) return;
        await page.keyboard.press(key);
      }
      throw new Error(`${key} does not lead there`);
    };
    const isFocused = (selector: string) => () =>
      page.evaluate((s) => document.activeElement?.matches(s) ?? false, selector);
    await press('Tab', isFocused('#find'));
    await page.keyboard.type('stopSp');
    await press('Tab', isFocused('a[href="#turns.stopSpeaking"]'));
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.activeElement?.id === 'procedure-title');
    await press('Tab', isFocused('#field-conversationId'));
    await press('Tab', isFocused('form button:not([type="submit"])[aria-label^="New id"]'));
    await page.keyboard.press('Enter');
    await press('Tab', isFocused('button[type="submit"]'));
    await page.keyboard.press('Enter');
    await page
      .getByRole('status')
      .filter({ hasText: /^NOT_FOUND after / })
      .waitFor();
  });

  it('has nothing that axe finds serious, in either light, at either width', async () => {
    await choose('conversations.create');
    const { id } = await call();
    await choose('conversations.events');
    await page.getByRole('button', { name: 'Subscribe' }).click();
    await page.getByText('live', { exact: true }).waitFor();
    await choose('turns.ask');
    await page.getByLabel('text', { exact: true }).fill('one');
    expect(await call()).toMatchObject({ turn: { conversationId: id } });
    await rows('turn.completed').click();
    for (const colorScheme of ['light', 'dark'] as const) {
      // Without motion a colour is what it is at once, and not on its way there.
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      for (const width of [1280, 390]) {
        await page.setViewportSize({ width, height: 860 });
        expect([colorScheme, width, await serious()]).toEqual([colorScheme, width, []]);
        const isWider = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
        expect([colorScheme, width, isWider]).toEqual([colorScheme, width, false]);
      }
      await page.getByRole('link', { name: 'All procedures' }).click();
      expect([colorScheme, 'list', await serious()]).toEqual([colorScheme, 'list', []]);
      await page.setViewportSize({ width: 1280, height: 860 });
      await choose('turns.ask');
    }
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Access token or API key').waitFor();
    expect(await serious()).toEqual([]);
  });
});
