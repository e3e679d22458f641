import { stat } from 'node:fs/promises';
import path from 'node:path';
import { connect } from '@parley/db/connect';
import { freshStore } from '../drive/store.ts';
import { startDrive } from '../drive.ts';
import { findChromium } from '../support/chromium-binary.ts';
import { clips } from '../support/clip.ts';
import { launchChromium } from '../support/launch.ts';
import { startSpeechProvider } from '../support/speech-provider.ts';
import { consoleBuilt, signIn } from './console.ts';
import { hadConversation } from './past.ts';
import { before, hearAndSay, others, reply } from './scene.ts';
import { spokenFile } from './spoken-file.ts';

// Takes the README's picture of the console, from a real conversation in a real browser:
//   node_modules/.bin/node test/browser/screenshot.ts

const picture = path.resolve(import.meta.dirname, '../../client/console/screenshot.png');
const mostBytes = 250 * 1024;
const user = 'maya';

await using stack = new AsyncDisposableStack();
// A server serves what was built when it began.
await consoleBuilt();
const store = await freshStore();
stack.defer(() => store.drop());
const speech = await startSpeechProvider(hearAndSay);
stack.defer(() => speech.close());
const drive = await startDrive({
  env: {
    DATABASE_URL: store.url,
    STT_BASE_URL: speech.url,
    TTS_BASE_URL: speech.url,
  },
});
stack.defer(() => drive.stop());
const spoken = await spokenFile(clips[7]?.file ?? '');
stack.defer(() => spoken.remove());

const { trpc } = await drive.user(user);
await trpc.account.updateProfile.mutate({ nickname: 'Maya', locale: 'en' });
const db = connect(store.url);
for (const past of others) await hadConversation({ database: { db } }, user, past);
const id = await hadConversation({ database: { db } }, user, before);
await db.destroy();

const browser = await launchChromium(await findChromium(), { microphone: { file: spoken.file } });
stack.defer(() => browser.close());
const page = await browser.newPage({
  locale: 'en-GB',
  colorScheme: 'light',
  viewport: { width: 1280, height: 780 },
  deviceScaleFactor: 1.25,
});
page.setDefaultTimeout(30_000);
await page.goto(drive.url);
await signIn(page, await drive.token(user));
await page.locator(`a[href="/c/${id}"]`).click();
await page.locator('.unheard').waitFor();
await page.locator('#timeline-toggle').click();

drive.model.script(reply);
await page.locator('.talk-button').hover();
await page.mouse.down();
await page.locator('.recording time').getByText('0:05').waitFor();
await page.mouse.up();
// In the middle of what is said: a sentence of it is lit.
await page.locator('[data-speaking="2"]').waitFor();
await page.getByText('what was waiting for you there?').first().waitFor();
await page.waitForFunction("CSS.highlights.has('spoken')");
await page.mouse.move(640, 300);
await page.screenshot({ path: picture, animations: 'disabled' });
const { size } = await stat(picture);
console.log(`${path.relative(process.cwd(), picture)}: ${Math.ceil(size / 1024)} KB`);
if (size > mostBytes) throw new Error(`the picture has more than ${mostBytes / 1024} KB`);
