import type { CDPSession } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingBrowser } from '../support/browser.ts';
import { answer } from '../support/provider.ts';
import { pcm, type SpeechProvider, startSpeechProvider, tone } from '../support/speech-provider.ts';
import { answered, begin, expectShown, stored } from './conversation.ts';
import { type OpenConsole, openConsole } from './page.ts';

let speech: SpeechProvider;
let opened: OpenConsole;

const isThere = missingBrowser() === undefined;

beforeAll(async () => {
  if (!isThere) return;
  speech = await startSpeechProvider(() => pcm(tone(8)));
  const env = { TTS_PROVIDER: 'openai', TTS_BASE_URL: speech.url };
  opened = await openConsole({ env, isSilent: true, hasTouch: true, viewport: { width: 390, height: 844 } });
}, 200_000);
afterAll(async () => {
  await opened?.close();
  await speech?.close();
});

/** What a page comes to say, asked for otherwise than Playwright does: its questions count as touching the page. */
const untouched = (session: CDPSession, expression: string) =>
  expect.poll(async () => (await session.send('Runtime.evaluate', { expression })).result.value);

describe.skipIf(!isThere)('on a phone', () => {
  // Guard: whatever touches the page asks for sound while there is none (`take` of the sound's output).
  it('a tap lets an answer sound that waits to be allowed to', { timeout: 60_000 }, async () => {
    const { app, page, context } = opened;
    app.provider.script(answer('Hello.'));
    const id = await begin(page);
    await expectShown(page).toEqual([answered('Hello.')]);
    // A page that nobody has touched yet: what somebody did before in another one of the same site would count.
    await page.goto('about:blank');
    await page.goto(`${app.url}/c/${id}`);
    const session = await context.newCDPSession(page);
    await untouched(session, `document.querySelectorAll('.answer').length`).toBe(1);
    // A finger that scrolls uses the page, and allows nothing.
    const touchPoints = [{ x: 195, y: 400 }];
    await session.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints });
    await session.send('Input.dispatchTouchEvent', { type: 'touchCancel', touchPoints: [] });

    app.provider.script(answer('Good night.'));
    const elsewhere = await app.http('ada');
    const parts = [{ type: 'text' as const, text: 'Good night.' }];
    await elsewhere.turns.send.mutate({ conversationId: id, parts, speak: true });
    await untouched(session, `document.body.innerText.includes('Click anywhere to hear the answer.')`).toBe(true);
    // All of it is there: sound that comes later would be let through by itself.
    await untouched(session, `document.querySelectorAll('.answer').length`).toBe(2);
    await expect.poll(() => stored(app, id)).toContainEqual(answered('Good night.'));
    await page.touchscreen.tap(195, 400);
    await untouched(session, `document.querySelectorAll('[data-speaking]').length`).toBe(1);
    expect(opened.errors).toEqual([]);
  });
});
