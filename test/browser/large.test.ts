import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingBrowser } from '../support/browser.ts';
import { done, finish, gate, type Step, stream, text, usage } from '../support/provider.ts';
import { write } from './conversation.ts';
import { type OpenConsole, openConsole } from './page.ts';
import { hadConversation, type PastMessage } from './past.ts';
import { type Tasks, tasksOf } from './tasks.ts';

const messageCount = 10_000;
/** Milliseconds for which no task may keep the page from anything else. */
const mostMs = 100;
/** Elements of the whole page, of which a message is about ten. */
const mostElements = 1_500;

/** For what a slow page comes to. */
const patient = { timeout: 20_000 };

let opened: OpenConsole;

const isThere = missingBrowser() === undefined;

beforeAll(async () => {
  if (!isThere) return;
  opened = await openConsole();
}, 200_000);
afterAll(async () => {
  await opened?.close();
});

function* past(): Generator<PastMessage> {
  const sentence = 'It was a long winter, and the river was frozen until the end of March. ';
  for (let number = 1; number <= messageCount; number++) {
    const words = `Number ${number}. ${sentence.repeat(1 + ((number * 7) % 5))}`;
    const list = number % 10 === 0 ? '\n\n- **one** thing\n- `another`\n\n> and a third' : '';
    yield number % 2 === 1 ? { role: 'human', parts: [words] } : { role: 'agent', parts: [words + list] };
  }
}

/** In the page: looks at its log. Everything is measured where it happens, frame by frame. */
const watcher = `window.watch = (() => {
  const log = document.querySelector('.log');
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const fromEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight;
  const state = { mostElements: 0, mostFromEnd: 0, frames: 0, isFollowing: false };
  const look = () => {
    state.frames++;
    state.mostElements = Math.max(state.mostElements, document.getElementsByTagName('*').length);
    if (state.isFollowing) state.mostFromEnd = Math.max(state.mostFromEnd, fromEnd());
    requestAnimationFrame(look);
  };
  look();
  /** Of a row that can be seen: what it says, and where it is. */
  const anchor = () => {
    const { top } = log.getBoundingClientRect();
    const row = [...log.querySelectorAll('.row')].find((row) => row.getBoundingClientRect().top >= top);
    return row && { text: row.textContent.slice(0, 16), key: row.textContent, top: row.getBoundingClientRect().top };
  };
  const topOf = ({ key }) =>
    [...log.querySelectorAll('.row')].find((row) => row.textContent === key)?.getBoundingClientRect().top;
  const isLoading = () => log.querySelector('.earlier') !== null;
  return { log, frame, fromEnd, state, anchor, topOf, isLoading };
})()`;

/** Goes up until there is nothing more. Returns how often it had to wait, and the greatest jump in pixels. */
const toTheBeginning = `(async () => {
  const { log, frame, anchor, topOf, isLoading } = window.watch;
  let waits = 0;
  let jump = 0;
  while (!log.textContent.includes('Number 1.')) {
    const before = log.scrollHeight;
    log.scrollTop = 400;
    await frame();
    // It is loading, or the next page came at once: what is seen stays where it is.
    while (isLoading() || log.scrollHeight === before) {
      const seen = anchor();
      await frame();
      await frame();
      if (!seen) continue;
      // A browser that gets no processor may paint before the page has drawn what belongs to its place.
      for (let late = 0; late < 10 && topOf(seen) === undefined; late++) await frame();
      const top = topOf(seen);
      jump = Math.max(jump, top === undefined ? 9999 : Math.abs(top - seen.top));
      if (log.textContent.includes('Number 1.')) break;
    }
    waits++;
  }
  return { waits, jump };
})()`;

/** Through all that is there, a screen at a time, as somebody does who looks for something. */
const throughAll = (screens: number) => `(async () => {
  const { log, frame } = window.watch;
  const step = (log.scrollHeight - log.clientHeight) / ${screens};
  for (let at = 0; at <= ${screens}; at++) {
    log.scrollTop = at * step;
    await frame();
  }
})()`;

const told = (what: string, { count, longestMs, longestWallMs, over50Ms }: Tasks): void =>
  console.log(
    `${what}: ${count} tasks, the longest ${longestMs.toFixed(1)} ms of its thread's time ` +
      `(${longestWallMs.toFixed(1)} ms by the clock), ${over50Ms} over 50 ms`,
  );

const watched = (page: Page) =>
  page.evaluate<{ mostElements: number; mostFromEnd: number; frames: number }>('window.watch.state');

describe.skipIf(!isThere)('a conversation of ten thousand messages', () => {
  it('opens, scrolls and streams without keeping anybody waiting', { timeout: 120_000 }, async () => {
    const { app, browser, page, complaints } = opened;
    // Seven messages a day: there are pages whose first message is the first of its day.
    const story = { title: 'A long story', messages: past(), stepMs: (24 * 3_600_000) / 7 };
    const id = await hadConversation(app, 'ada', story);
    const opening = await tasksOf(browser, page, async () => {
      await page.goto(`${app.url}/c/${id}`);
      await page.getByText(`Number ${messageCount}.`).last().waitFor();
    });
    told('opening', opening);

    await page.evaluate(watcher);
    const scrolling = await tasksOf(browser, page, async () => {
      const up = await page.evaluate<{ waits: number; jump: number }>(toTheBeginning);
      console.log(`going up: ${up.waits} waits for a page, greatest jump ${up.jump.toFixed(2)} px`);
      expect(up.jump).toBeLessThanOrEqual(2);
      expect(up.waits).toBeGreaterThan(50);
      await page.evaluate(throughAll(60));
      // Somewhere above the end: what is said is seen all the same.
      await page.evaluate('window.watch.log.scrollTop -= 5_000');
    });
    told('scrolling', scrolling);

    const words = Array.from({ length: 400 }, (_, index) =>
      index % 40 === 39 ? '.\n\nAnd then, ' : index % 13 === 0 ? ' **it**' : ' went on',
    );
    const middle = gate();
    const pieces = words.flatMap((word): Step[] => [text(word), { pauseMs: 4 }]);
    app.provider.script(
      stream(...pieces.slice(0, 400), middle, ...pieces.slice(400), text(' to its end.'), finish(), usage(1, 1), done),
    );
    const streaming = await tasksOf(browser, page, async () => {
      await write(page, 'Go on.');
      const running = page.locator('[data-status="running"]');
      await running.getByText('it').first().waitFor();
      await page.evaluate('window.watch.state.isFollowing = true');
      await running.getByText('And then').nth(4).waitFor();
      await page.evaluate('window.watch.frame().then(window.watch.frame)');
      expect(await page.evaluate<number>('window.watch.fromEnd()')).toBeLessThanOrEqual(2);

      // Whoever reads further up is left there.
      await page.evaluate('window.watch.state.isFollowing = false');
      await page.locator('.log').hover();
      await page.mouse.wheel(0, -1_500);
      await expect.poll(() => page.evaluate<number>('window.watch.fromEnd()'), patient).toBeGreaterThan(1_000);
      await page.evaluate('window.watch.frame().then(window.watch.frame)');
      await page.evaluate('window.watch.seen = window.watch.anchor()');
      middle.release();
      await expect.poll(async () => (await app.provider.requests.at(-1)?.ended) ?? 'none', patient).toBe('complete');
      await expect.poll(() => page.locator('.list-item').first().textContent(), patient).toContain('went on');
      expect(
        await page.evaluate<number>('Math.abs(window.watch.topOf(window.watch.seen) - window.watch.seen.top)'),
      ).toBeLessThanOrEqual(2);
      await page.getByRole('button', { name: 'Newest messages' }).click();
      await page.getByText('to its end.').waitFor();
      await expect.poll(() => page.evaluate<number>('window.watch.fromEnd()'), patient).toBeLessThanOrEqual(2);
    });
    told('streaming', streaming);

    const { mostElements: elements, mostFromEnd, frames } = await watched(page);
    console.log(
      `at most ${elements} elements, ${mostFromEnd.toFixed(0)} px from the end while it came in, ${frames} frames`,
    );
    expect(elements).toBeLessThanOrEqual(mostElements);
    // Before a frame is painted it may be as far away as what came in since the last one.
    expect(mostFromEnd).toBeLessThanOrEqual(300);
    for (const { longestMs, count } of [opening, scrolling, streaming]) {
      expect(count).toBeGreaterThan(10);
      expect(longestMs).toBeGreaterThan(0);
      expect(longestMs).toBeLessThanOrEqual(mostMs);
    }
    expect(complaints).toEqual([]);
  });
});
