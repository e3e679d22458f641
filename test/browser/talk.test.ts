import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingBrowser } from '../support/browser.ts';
import { clips, wordErrors } from '../support/clip.ts';
import { answer, gate } from '../support/provider.ts';
import { answered, begin, expectShown, running, said, shown, stored, talk, write } from './conversation.ts';
import { type OpenConsole, openConsole } from './page.ts';
import { countSound, playsNothing, secondsPlayed } from './sound-count.ts';
import { type SpokenFile, spokenFile } from './spoken-file.ts';

const clip = clips[7] ?? { file: '', text: '' };
const greeting = 'Hello. What would you like to tell me about?';
const [first, ...rest] = [
  'Five children must have filled the house from the cellar to the roof. ',
  'I think it was never quiet at the table, and that nobody ate alone. ',
  'Which of the others were you closest to in those years? ',
  'And what did all of you do in the long summers, when there was no school?',
] as const;

let spoken: SpokenFile;
let opened: OpenConsole;

const isThere = missingBrowser() === undefined;

beforeAll(async () => {
  if (!isThere) return;
  spoken = await spokenFile(clip.file);
  opened = await openConsole({
    microphone: { file: spoken.file },
    env: { STT_PROVIDER: 'local', TTS_PROVIDER: 'local' },
    prepare: countSound,
  });
}, 200_000);
afterAll(async () => {
  await opened?.close();
  await spoken?.remove();
});

function understood(text: string): void {
  const { words, errors } = wordErrors(clip.text, text);
  expect(errors / words, text).toBeLessThanOrEqual(0.3);
}

// With the models that Parley hears and speaks with by itself; only what the agent says is scripted.
describe.skipIf(!isThere)('somebody who opens the page', () => {
  it('speaks, is answered aloud, interrupts, and finds all of it again', { timeout: 90_000 }, async () => {
    const { app, page, context, open } = opened;
    const mid = gate();
    app.provider.script(answer(greeting), answer(first, 'I ', mid, rest[0].slice(2), ...rest.slice(1)));
    const id = await begin(page);
    await expectShown(page).toEqual([answered(greeting)]);

    await talk(page, 4);
    const coming = running(`${first}I`);
    await expectShown(page).toMatchObject([answered(greeting), { role: 'human' }, coming]);
    understood((await shown(page))[1]?.text ?? '');
    // It is heard before the model has said the rest.
    await expect.poll(() => secondsPlayed(page), { timeout: 20_000 }).toBeGreaterThan(0.5);
    mid.release();

    // Interrupted within its second sentence: the rest is there, and is told from what was heard.
    await page.locator('[data-speaking="1"]').waitFor({ timeout: 20_000 });
    await expect
      .poll(() => page.evaluate('CSS.highlights.get("spoken")?.values().next().value.toString()'), { timeout: 3_000 })
      .toBe(rest[0].trim());
    await page.keyboard.press('Escape');
    const unheard = page.locator('.unheard');
    await unheard.waitFor();
    expect(await playsNothing(page)).toBe(true);
    const all = await shown(page);
    const cut = all[2];
    expect(cut?.status).toBe('interrupted');
    expect(cut?.text.startsWith(first.trim())).toBe(true);
    expect(`${cut?.text} ${cut?.unheard}`).toBe([first, ...rest].join(''));
    expect(cut?.unheard.endsWith(rest[2])).toBe(true);
    expect(await stored(app, id)).toEqual(all);
    const colorOf = (selector: string) =>
      page
        .locator(selector)
        .last()
        .evaluate((element) => getComputedStyle(element).color);
    expect(await colorOf('.unheard p')).not.toBe(await colorOf('.answer p:not(.unheard *)'));

    await page.reload();
    await expectShown(page).toEqual(all);

    const second = await open({ context, url: page.url() });
    await expectShown(second).toEqual(all);
    const later = gate();
    app.provider.script(answer('In winter, ', later, 'too?'));
    await write(page, 'We were together in winter, too.');
    const now = [...all, said('We were together in winter, too.')];
    for (const window of [page, second]) await expectShown(window).toEqual([...now, running('In winter,')]);
    later.release();
    for (const window of [page, second]) await expectShown(window).toEqual([...now, answered('In winter, too?')]);
    expect(await stored(app, id)).toEqual(await shown(page));

    // It is heard in the window that somebody used last, and nowhere else.
    app.provider.script(answer('Good night.'));
    await second.getByRole('button', { name: 'Speak answers' }).click();
    await write(second, 'Good night.');
    await expectShown(page).toContainEqual(answered('Good night.'));
    await expect.poll(() => secondsPlayed(second), { timeout: 20_000 }).toBeGreaterThan(0.2);
    expect(await secondsPlayed(page)).toBe(0);
    expect(opened.complaints).toEqual([]);
  });

  it('silences the agent, and interrupts it by speaking', { timeout: 60_000 }, async () => {
    const { app, open } = opened;
    const page = await open({ prepare: countSound });
    app.provider.script(answer(greeting));
    const id = await begin(page);
    await expectShown(page).toEqual([answered(greeting)]);
    await page.getByRole('button', { name: 'Speak answers' }).click();

    const mid = gate();
    app.provider.script(answer(first, rest[0], mid, ...rest.slice(1)));
    await write(page, 'Five of us.');
    const played = await secondsPlayed(page);
    await expect.poll(() => secondsPlayed(page), { timeout: 20_000 }).toBeGreaterThan(played);
    await page.getByRole('button', { name: 'Stop speaking' }).click();
    mid.release();
    const whole = [answered(greeting), said('Five of us.'), answered([first, ...rest].join(''))];
    await expectShown(page).toEqual(whole);
    expect(await playsNothing(page)).toBe(true);

    const never = gate();
    const asked = app.provider.requests.length;
    app.provider.script(answer(first, ...rest, never), answer('Go on.'));
    await write(page, 'And then?');
    await page.locator('[data-speaking]').waitFor({ timeout: 20_000 });
    // The agent is silent before anything of what is said has been sent.
    await talk(page, 4, async () => {
      await page.locator('.unheard').waitFor();
      expect(await playsNothing(page)).toBe(true);
    });
    expect(await (await app.provider.request(asked)).ended).toBe('aborted');
    await expect.poll(async () => (await shown(page)).at(-1), { timeout: 20_000 }).toEqual(answered('Go on.'));
    const all = await shown(page);
    expect(all).toEqual([
      ...whole,
      said('And then?'),
      { ...all[4], status: 'interrupted' },
      said(all[5]?.text ?? ''),
      answered('Go on.'),
    ]);
    expect(`${all[4]?.text} ${all[4]?.unheard}`.trim()).toBe([first, ...rest].join(''));
    understood(all[5]?.text ?? '');
    expect(await stored(app, id)).toEqual(all);
  });
});
