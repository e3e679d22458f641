import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { post } from '../support/attachment.ts';
import { missingBrowser } from '../support/browser.ts';
import { answer } from '../support/provider.ts';
import { write } from './conversation.ts';
import { type OpenConsole, openConsole } from './page.ts';
import { hadConversation } from './past.ts';

let opened: OpenConsole;
let folder: string;

const isThere = missingBrowser() === undefined;

beforeAll(async () => {
  if (!isThere) return;
  folder = await mkdtemp(join(tmpdir(), 'parley-browser-files-'));
  opened = await openConsole({ env: { STORAGE_URL: `file://${folder}` } });
}, 200_000);
afterAll(async () => {
  await opened?.close();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

/** What a script of somebody else's would do. */
const deed = 'window.ran=(window.ran||0)+1';
const attacks = [
  `<script>${deed}</script>`,
  `<img src=x onerror="${deed}">`,
  `<svg onload="${deed}"><animate onbegin="${deed}" attributeName=x dur=1s></svg>`,
  `<iframe srcdoc="<script>parent.${deed}</script>"></iframe>`,
  `<a href="javascript:${deed}">tag</a>`,
  `<details open ontoggle="${deed}">`,
  `[link one](javascript:${deed})`,
  `[link two](JaVaScRiPt:${deed})`,
  `[link three](java\tscript:${deed})`,
  `[link four](&#106;avascript:${deed})`,
  `[link five](data:text/html,<script>${deed}</script>)`,
  `[link six](vbscript:${deed})`,
  `<javascript:${deed}>`,
  `![picture](javascript:${deed})`,
  `[named][name]\n\n[name]: javascript:${deed}`,
];
const attack = attacks.join('\n\n');
const svg = `<svg xmlns="http://www.w3.org/2000/svg" onload="${deed}"><script>${deed}</script></svg>`;
const html = `<!doctype html><script>${deed};opener&&(opener.ran=1)</script>`;

const ran = (page: Page) => page.evaluate('window.ran');

/** What a page has that could run, or lead to what does, other than its own files. */
const foreign = `[...document.querySelectorAll('*')].flatMap((element) => {
  const own = element.matches('script') && new URL(element.src || 'data:', location.href).origin === location.origin;
  const found = [...element.attributes].filter(
    ({ name, value }) => name.startsWith('on') || name === 'srcdoc' || /^\\W*(java|vb)script\\W*:|^\\W*data:/i.test(value),
  );
  const isTag = element.matches('script, iframe, object, embed, base, details:not(.timeline-turn)') && !own;
  return found.length > 0 || isTag ? [element.outerHTML] : [];
})`;

describe.skipIf(!isThere)('a script of somebody else', () => {
  it('never runs, wherever it is put', { timeout: 60_000 }, async () => {
    const { app, page, complaints } = opened;
    const user = 'ada';
    const files = await Promise.all([
      post(app, new TextEncoder().encode(svg), { user, filename: 'picture.svg' }),
      post(app, new TextEncoder().encode(html), { user, filename: `page<img src=x onerror=${deed}>.html` }),
    ]);
    const attached = files.map(({ attachment: { id, filename } }, index) => ({
      type: 'attachment' as const,
      attachmentId: id,
      // As if it had been taken for a picture: shown as one, it does not run either.
      kind: index === 0 ? ('image' as const) : ('file' as const),
      filename,
    }));
    const id = await hadConversation(app, user, {
      title: attack.slice(0, 180),
      messages: [
        { role: 'human', parts: [...attached, attack] },
        {
          role: 'agent',
          parts: [attack, ...attached],
          reference: { title: attacks[0] ?? '', summary: attack, url: `javascript:${deed}` },
        },
      ],
    });
    await page.goto(`${app.url}/c/${id}`);
    await page.getByText('link one').first().waitFor();

    // As it comes in too, with tags and links in pieces.
    const pieces = attack.match(/[\s\S]{1,7}/g) ?? [];
    app.provider.script(answer(...pieces, '\n\nThat was it.'));
    await write(page, attack);
    await page.getByText('That was it.').last().waitFor();
    await page.getByText('That was it.').last().scrollIntoViewIfNeeded();
    expect(await page.evaluate(foreign)).toEqual([]);

    // None of them is a link; what is written in them is there to be read.
    expect(await page.locator('.answer a').evaluateAll((all) => all.map((link) => link.getAttribute('href')))).toEqual(
      [],
    );
    for (const words of ['link one', 'link five', 'named']) {
      const texts = await page.locator('.answer').getByText(words).all();
      expect(texts.length).toBeGreaterThan(0);
      await texts.at(-1)?.click();
    }
    expect(await page.locator('.answer').last().textContent()).toContain(`<script>${deed}</script>`);
    // A file is downloaded, not shown.
    await page.locator('.log').evaluate((log) => log.scrollTo(0, 0));
    const [download] = await Promise.all([page.waitForEvent('download'), page.locator('button.file').first().click()]);
    expect(download.suggestedFilename()).toContain('.html');
    expect(await ran(page)).toBeUndefined();
    expect(page.context().pages()).toHaveLength(1);
    expect(complaints.filter((complaint) => !complaint.includes('404'))).toEqual([]);
  });

  it('in a file is not run when somebody opens the file itself', async () => {
    const { app, page } = opened;
    for (const [content, filename, type] of [
      [svg, 'picture.svg', 'image/svg+xml'],
      [html, 'page.html', 'text/html'],
    ] as const) {
      const { attachment } = await post(app, new Blob([content], { type }), { user: 'ada', filename });
      const authorization = `Bearer ${await app.token('ada')}`;
      const response = await fetch(`${app.url}/attachments/${attachment.id}`, { headers: { authorization } });
      expect(response.headers.get('x-content-type-options')).toBe('nosniff');
      await response.arrayBuffer();
      const other = await page.context().newPage();
      await other.setExtraHTTPHeaders({ authorization });
      const downloaded = other.waitForEvent('download');
      await other.goto(`${app.url}/attachments/${attachment.id}`).catch(() => {});
      await downloaded;
      expect(await ran(other)).toBeUndefined();
      await other.close();
    }
  });

  it('is stopped by the policy of the page, even if it came into it', async () => {
    const { app, page } = opened;
    const response = await page.goto(app.url);
    const policy = response?.headers()['content-security-policy'] ?? '';
    const directives = Object.fromEntries(
      policy.split(';').map((directive) => {
        const [name = '', ...sources] = directive.trim().split(/\s+/);
        return [name, sources];
      }),
    );
    expect(directives['script-src']).toEqual(["'self'"]);
    expect(directives['script-src-attr']).toEqual(["'none'"]);
    expect(directives).toMatchObject({
      'object-src': ["'none'"],
      'base-uri': ["'none'"],
      'frame-ancestors': ["'none'"],
    });
    const served = (await response?.text()) ?? '';
    expect(served).toMatch(/<script type="module"/);
    expect(served).not.toMatch(/<script(?![^>]*\ssrc=")[^>]*>|<style|\son\w+\s*=|javascript:/i);

    const blocked = await page.evaluate<string[]>(`new Promise((resolve) => {
      const blocked = [];
      document.addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) => {
        blocked.push(effectiveDirective + ' ' + blockedURI);
        if (blocked.length === 4) resolve(blocked.sort());
      });
      const put = (name, properties) => document.body.append(Object.assign(document.createElement(name), properties));
      put('script', { textContent: ${JSON.stringify(deed)} });
      put('script', { src: 'data:text/javascript,' + ${JSON.stringify(deed)} });
      const holder = document.createElement('div');
      holder.innerHTML = ${JSON.stringify(attacks[1])};
      document.body.append(holder);
      put('a', { href: ${JSON.stringify(`javascript:${deed}`)} });
      document.body.lastChild.click();
    })`);
    expect(blocked).toEqual([
      'script-src-attr inline',
      'script-src-elem data',
      'script-src-elem inline',
      'script-src-elem inline',
    ]);
    expect(await ran(page)).toBeUndefined();
  });
});
