import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import type { App } from '../support/app.ts';

/** What was said, in order, as a page shows it or the database has it. */
export interface Said {
  role: 'human' | 'agent';
  /** Of an interrupted answer, what was heard. */
  text: string;
  unheard: string;
  /** `running` while it comes in, `open` while it is not stored. */
  status: string;
}

const plain = (text: string): string => text.replace(/\s+/g, ' ').trim();

/** Begins a conversation, as from the list, and waits until it is there. Returns its id. */
export async function begin(page: Page): Promise<string> {
  const before = page.url();
  await page.getByRole('button', { name: 'New conversation' }).last().click();
  await page.waitForURL((url) => url.href !== before && url.pathname.startsWith('/c/'));
  await page.getByRole('textbox', { name: 'Message' }).waitFor();
  return new URL(page.url()).pathname.replace('/c/', '');
}

/** Writes something and sends it. */
export async function write(page: Page, text: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Message' }).fill(text);
  await page.keyboard.press('Enter');
}

/** Holds the button down until so many whole seconds have been recorded, and whatever is to be seen meanwhile has been. */
export async function talk(page: Page, seconds: number, meanwhile?: () => Promise<void>): Promise<void> {
  await page.getByRole('button', { name: 'Hold to talk' }).hover();
  await page.mouse.down();
  await meanwhile?.();
  await page.locator('.recording time').getByText(`0:0${seconds}`).waitFor();
  await page.mouse.up();
}

/** All that a page shows of a conversation that fits on it. */
export async function shown(page: Page): Promise<Said[]> {
  const rows = await page.locator('.row').evaluateAll((elements) =>
    elements
      .sort((one, other) => Number(one.getAttribute('data-index')) - Number(other.getAttribute('data-index')))
      .flatMap((element): Said[] => {
        const article = element.querySelector('article.message');
        if (!article) return [];
        const textOf = (selector: string): string =>
          [...article.querySelectorAll(selector)].map(({ textContent }) => textContent ?? '').join(' ');
        if (article.matches('.agent'))
          return [
            {
              role: 'agent',
              text: textOf('.answer .markdown:not(.unheard *)'),
              unheard: textOf('.unheard .markdown'),
              status: article.getAttribute('data-status') ?? '',
            },
          ];
        const status = article.querySelector('time') ? 'complete' : 'open';
        return [{ role: 'human', text: textOf('.bubble'), unheard: '', status }];
      }),
  );
  return rows.map((row) => ({ ...row, text: plain(row.text), unheard: plain(row.unheard) }));
}

/** One entry, complete; not stored yet; as it comes in. */
export const said = (text: string): Said => ({ role: 'human', text, unheard: '', status: 'complete' });
export const answered = (text: string): Said => ({ role: 'agent', text: plain(text), unheard: '', status: 'complete' });
export const unsent = (text: string): Said => ({ ...said(text), status: 'open' });
export const running = (text: string): Said => ({ ...answered(text), status: 'running' });

/** What a page comes to show, for a matcher. */
export const expectShown = (page: Page) => expect.poll(() => shown(page), { timeout: 20_000 });

/** What the database has of it. */
export async function stored({ database }: App, conversationId: string): Promise<Said[]> {
  const rows = await database.db
    .selectFrom('messages')
    .select(['role', 'parts', 'unheard', 'status'])
    .where('conversation_id', '=', conversationId)
    .orderBy('created_at')
    .orderBy('id')
    .execute();
  return rows.map(({ role, parts, unheard, status }) => ({
    role,
    text: plain(parts.map((part) => (part.type === 'text' ? part.text : '')).join(' ')),
    unheard: plain(unheard ?? ''),
    status,
  }));
}

/** Pieces of recordings that the browser keeps for the next page, should this one be closed. */
export function piecesKept(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const bases = (await indexedDB.databases()).map(({ name = '' }) => name);
    const counts = bases.map(
      (name) =>
        new Promise<number>((resolve, reject) => {
          const opening = indexedDB.open(name);
          opening.onerror = () => reject(opening.error);
          opening.onsuccess = () => {
            const count = opening.result.transaction('segments').objectStore('segments').count();
            count.onerror = () => reject(count.error);
            count.onsuccess = () => {
              opening.result.close();
              resolve(count.result);
            };
          };
        }),
    );
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  });
}
