import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { missingBrowser } from '../support/browser.ts';
import { clips } from '../support/clip.ts';
import { answer, gate, refusal, stream, text } from '../support/provider.ts';
import { type FaultyProxy, startProxy } from '../support/proxy.ts';
import { type SpeechProvider, startSpeechProvider, transcript } from '../support/speech-provider.ts';
import {
  answered,
  begin,
  expectShown,
  piecesKept,
  running,
  said,
  shown,
  stored,
  talk,
  unsent,
  write,
} from './conversation.ts';
import { type OpenConsole, openConsole } from './page.ts';
import { type SpokenFile, spokenFile } from './spoken-file.ts';

let spoken: SpokenFile;
let speech: SpeechProvider;
let opened: OpenConsole;
let proxy: FaultyProxy;
/** Reaches the server by the proxy. */
let page: Page;

const isThere = missingBrowser() === undefined;

beforeAll(async () => {
  if (!isThere) return;
  [spoken, speech] = await Promise.all([spokenFile(clips[7]?.file ?? ''), startSpeechProvider()]);
  const env = { STT_PROVIDER: 'openai', STT_BASE_URL: speech.url, TTS_PROVIDER: 'openai', TTS_BASE_URL: speech.url };
  opened = await openConsole({ microphone: { file: spoken.file }, env });
  proxy = await startProxy(opened.app.url);
}, 200_000);
afterAll(async () => {
  await opened?.close();
  await proxy?.close();
  await speech?.close();
  await spoken?.remove();
});

beforeEach(async () => {
  if (!isThere) return;
  proxy.refuses = false;
  proxy.resume();
  page = await opened.open({ url: proxy.url });
});
afterEach(async () => {
  await page?.context().close();
  expect(opened?.errors).toEqual(isThere ? [] : undefined);
});

/** No connection can be made, those that are open break, and the browser knows. */
async function loseNetwork(): Promise<void> {
  await page.context().setOffline(true);
  proxy.refuses = true;
  proxy.cut();
  await page.getByText('You are offline.').waitFor();
}

async function findNetwork(): Promise<void> {
  proxy.refuses = false;
  await page.context().setOffline(false);
}

/** Leaves the page that has no network, and opens it again where there is one. */
async function comeBack(conversationId: string): Promise<void> {
  await page.goto('about:blank');
  await findNetwork();
  await page.goto(`${proxy.url}/c/${conversationId}`);
}

const greeting = answered('Hello. What would you like to tell me about?');

/** A conversation that has been greeted. */
async function greeted(): Promise<string> {
  opened.app.provider.script(answer(greeting.text));
  const id = await begin(page);
  await expectShown(page).toEqual([greeting]);
  return id;
}

describe.skipIf(!isThere)('a console that loses the network', { timeout: 60_000 }, () => {
  it('has the rest of an answer when it is back, once', async () => {
    const { app } = opened;
    const id = await greeted();
    const [first, second, third] = [gate(), gate(), gate()];
    app.provider.script(answer('The river ', first, 'was wide ', second, 'and ', third, 'slow.'));
    await write(page, 'Tell me of the river.');
    const asked = [greeting, said('Tell me of the river.')];
    await expectShown(page).toEqual([...asked, running('The river')]);
    await loseNetwork();
    first.release();
    await findNetwork();
    // Back before the answer is whole, it goes on where it is by now.
    await expectShown(page).toEqual([...asked, running('The river was wide')]);
    second.release();
    await expectShown(page).toEqual([...asked, running('The river was wide and')]);
    await loseNetwork();
    third.release();
    const whole = [...asked, answered('The river was wide and slow.')];
    await expect.poll(() => stored(app, id), { timeout: 20_000 }).toEqual(whole);
    expect(await shown(page)).toEqual([...asked, running('The river was wide and')]);
    await findNetwork();
    await expectShown(page).toEqual(whole);
    await page.getByText('You are offline.').waitFor({ state: 'detached' });
    await page.reload();
    await expectShown(page).toEqual(whole);
  });

  it('sends what was written meanwhile, in order, once', async () => {
    const { app } = opened;
    const id = await greeted();
    await loseNetwork();
    await write(page, 'Written in a tunnel.');
    await write(page, 'And another.');
    await expectShown(page).toEqual([greeting, unsent('Written in a tunnel.'), unsent('And another.')]);
    app.provider.script(answer('Yes.'), answer('I see.'));
    await findNetwork();
    const sent = [greeting, said('Written in a tunnel.'), answered('Yes.'), said('And another.'), answered('I see.')];
    await expectShown(page).toEqual(sent);
    expect(await stored(app, id)).toEqual(sent);

    // The server has it, and the page does not know.
    proxy.stall('down');
    app.provider.script(answer('Once.'));
    await write(page, 'How often?');
    const once = [...sent, said('How often?'), answered('Once.')];
    await expect.poll(() => stored(app, id), { timeout: 20_000 }).toEqual(once);
    expect(await shown(page)).toEqual([...sent, unsent('How often?')]);
    proxy.cut();
    proxy.resume();
    await expectShown(page).toEqual(once);
    expect(await stored(app, id)).toEqual(once);
  });

  it('sends what was written before the page was closed', async () => {
    const { app } = opened;
    const id = await greeted();
    await loseNetwork();
    await write(page, 'Written before it was closed.');
    await expectShown(page).toEqual([greeting, unsent('Written before it was closed.')]);
    app.provider.script(answer('Read after it was opened.'));
    await comeBack(id);
    const sent = [greeting, said('Written before it was closed.'), answered('Read after it was opened.')];
    await expectShown(page).toEqual(sent);
    expect(await stored(app, id)).toEqual(sent);
  });

  // Guard: what is kept of it is all that was sent, its files and the wish for speech too (`Kept`).
  it('sends what was written with a file, to be answered aloud, before the page was closed', async () => {
    const { app } = opened;
    const id = await greeted();
    await page.getByRole('button', { name: 'Speak answers' }).click();
    const buffer = Buffer.from('She was built in 1951.');
    await page.locator('input[type="file"]').setInputFiles({ name: 'boat.txt', mimeType: 'text/plain', buffer });
    await page.locator('.composer-file.is-ready').waitFor();
    await loseNetwork();
    await write(page, 'Read this.');
    await expectShown(page).toEqual([greeting, unsent('Read this.')]);
    const before = speech.requests.length;
    app.provider.script(answer('I have read it.'));
    await comeBack(id);
    await expectShown(page).toEqual([greeting, said('Read this.'), answered('I have read it.')]);
    await page.getByRole('button', { name: 'boat.txt' }).waitFor();
    await expect
      .poll(() => speech.requests.slice(before).map(({ fields }) => fields.input))
      .toEqual(['I have read it.']);
  });

  // Guard: what is kept and among the messages is not sent again, nor shown beside itself (`stored`).
  it('shows what was sent when the page was closed once, although the page had not heard of that', async () => {
    const { app } = opened;
    const id = await greeted();
    await page.getByRole('button', { name: 'Speak answers' }).click();
    proxy.stall('down');
    app.provider.script(answer('Once.'));
    await write(page, 'How often?');
    const once = [greeting, said('How often?'), answered('Once.')];
    await expect.poll(() => stored(app, id), { timeout: 20_000 }).toEqual(once);
    await page.goto('about:blank');
    proxy.resume();
    await page.addInitScript(`new MutationObserver(() => {
      const said = [...document.querySelectorAll('.human .bubble')].map(({ textContent }) => textContent);
      if (new Set(said).size < said.length) globalThis.wasTwice = true;
    }).observe(document, { childList: true, subtree: true })`);
    await page.goto(`${proxy.url}/c/${id}`);
    await expectShown(page).toEqual(once);
    await expect.poll(() => page.evaluate(`sessionStorage.getItem('parley.outgoing.${id}')`)).toBe(null);
    expect(await page.evaluate('globalThis.wasTwice')).toBeUndefined();
    expect(await shown(page)).toEqual(once);
  });

  it.each(['that stays open', 'that is closed meanwhile'])(
    'sends what was recorded meanwhile in a page %s',
    async (which) => {
      const { app } = opened;
      const id = await greeted();
      const before = speech.requests.length;
      await loseNetwork();
      await talk(page, 2);
      await page.getByText('Sending what you said …').waitFor();
      await expect.poll(() => piecesKept(page), { timeout: 20_000 }).toBe(1);
      expect(await stored(app, id)).toEqual([greeting]);
      speech.script(transcript('I said it in a tunnel.'));
      app.provider.script(answer('Heard.'));
      if (which === 'that stays open') await findNetwork();
      else await comeBack(id);
      const sent = [greeting, said('I said it in a tunnel.'), answered('Heard.')];
      await expectShown(page).toEqual(sent);
      expect(await stored(app, id)).toEqual(sent);
      // It is understood once, and answered aloud.
      const paths = speech.requests.slice(before).map(({ path }) => path.replace('/v1/audio/', ''));
      expect(paths).toEqual(['transcriptions', 'speech']);
    },
  );
});

describe.skipIf(!isThere)('an answer that fails', () => {
  it('is tried again, before its first word and after it', { timeout: 60_000 }, async () => {
    const { app } = opened;
    const id = await greeted();
    const retry = page.getByRole('button', { name: 'Try again' });
    app.provider.script(refusal(400));
    await write(page, 'Well?');
    await page.getByText('The agent is not available right now.').waitFor();
    app.provider.script(stream(text('It was '), 'reset'));
    await retry.click();
    const failed = [greeting, said('Well?'), { ...answered('It was'), status: 'failed' }];
    await expectShown(page).toEqual(failed);
    await page.getByText('The answer broke off.').waitFor();
    app.provider.script(answer('It was fine.'));
    await retry.click();
    await expectShown(page).toEqual([...failed, answered('It was fine.')]);
    expect(await stored(app, id)).toEqual(await shown(page));
    expect(await retry.count()).toBe(0);
  });
});

// Guards: a failed turn that names its recording is not tried again by the server; what keeps another from it is shown.
describe.skipIf(!isThere)('what cannot be tried again by itself', { timeout: 60_000 }, () => {
  it('is a recording that was not understood, which is sent again', async () => {
    const { app } = opened;
    const id = await greeted();
    speech.script(refusal(500), refusal(500));
    await talk(page, 1);
    const again = page.getByRole('button', { name: 'Try again' });
    await again.waitFor();
    expect(await shown(page)).toEqual([greeting]);
    speech.script(transcript('I said it twice.'));
    app.provider.script(answer('Once is enough.'));
    await again.click();
    const healed = [greeting, said('I said it twice.'), answered('Once is enough.')];
    await expectShown(page).toEqual(healed);
    expect(await stored(app, id)).toEqual(healed);
    await again.waitFor({ state: 'detached' });
  });

  it('is a turn that the server does not try again, and says why', async () => {
    const { app } = opened;
    const id = await greeted();
    app.provider.script(refusal(400));
    await write(page, 'Well?');
    const again = page.getByRole('button', { name: 'Try again' });
    await again.waitFor();
    await app.database.db
      .deleteFrom('turns')
      .where('conversation_id', '=', id)
      .where('status', '=', 'failed')
      .execute();
    await again.click();
    await page.getByRole('alert').getByText('This does not exist').waitFor();
  });
});
