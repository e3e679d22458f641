import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type App, startApp } from '../support/app.ts';

let app: App;
beforeAll(async () => {
  app = await startApp({ model: 'local' });
});
afterAll(async () => {
  await app?.stop();
});

test('the ten lines of the README run, and end by themselves', async () => {
  const child = spawn(process.execPath, [fileURLToPath(new URL('ten-lines.ts', import.meta.url))], {
    env: { PATH: process.env.PATH, PARLEY_URL: app.url, PARLEY_TOKEN: await app.token('ann') },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
  expect(output).toMatch(/^\S[\s\S]{20,}\nturn\.completed in conversation [0-9a-f-]{36}\n$/);
});
