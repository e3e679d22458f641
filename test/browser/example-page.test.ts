import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { missingBrowser, openBrowser } from '../support/browser.ts';
import { answer, gate } from '../support/provider.ts';

const client = join(import.meta.dirname, '../../client');

/** Built as any page is. Vite is the client's, so it is found from there. */
const builder = `
  const { build } = await import('vite');
  const [outDir] = process.argv.slice(1);
  const output = { entryFileNames: 'page.js' };
  const rolldownOptions = { input: 'page.tsx', output };
  await build({ root: 'example', configFile: false, logLevel: 'error', build: { outDir, target: 'esnext', rolldownOptions } });
`;

async function build(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-page-'));
  try {
    await promisify(execFile)(process.execPath, ['--input-type=module', '-e', builder, folder], { cwd: client });
    return await readFile(join(folder, 'page.js'), 'utf8');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

describe.skipIf(missingBrowser())('the page in React that the README shows', () => {
  let app: App;
  let pages: Server;
  let browser: Browser;
  let origin = '';
  beforeAll(async () => {
    const script = await build();
    let html = '';
    pages = createServer((request, response) => {
      const isScript = request.url === '/page.js';
      response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
      response.end(isScript ? script : html);
    });
    await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve));
    const address = pages.address();
    if (typeof address !== 'object' || !address) throw new Error('no port');
    origin = `http://127.0.0.1:${address.port}`;
    app = await startApp({ env: { CORS_ORIGINS: origin } });
    html = `<!doctype html><meta charset="utf-8"><body data-url="${app.url}" data-token="${await app.token('ada')}"><script type="module" src="/page.js"></script>`;
    browser = await openBrowser();
  }, 90_000);
  afterAll(async () => {
    await browser?.close();
    await app?.stop();
    pages?.close();
  });

  test('talks to a server on another origin, and stops an answer', async () => {
    const page = await browser.newPage();
    await page.goto(origin);
    const [rest, further] = [gate(), gate()];
    app.provider.script(answer('The sea! ', rest, 'Which one?'), answer('Once ', further, 'upon a time.'));

    await page.getByLabel('Message').fill('I grew up by the sea.');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.locator('.running').getByText('The sea!').waitFor();
    rest.release();
    await page.locator('.agent').getByText('The sea! Which one?').waitFor();
    expect(await page.locator('.human').allInnerTexts()).toEqual(['I grew up by the sea.']);

    await page.getByLabel('Message').fill('Tell me more.');
    await page.getByLabel('Message').press('Enter');
    await page.locator('.running').getByText('Once').waitFor();
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.locator('.running').waitFor({ state: 'detached' });
    further.release();
    expect(await page.locator('.agent').allInnerTexts()).toEqual(['The sea! Which one?', 'Once']);
    await page.close();
  });
});
