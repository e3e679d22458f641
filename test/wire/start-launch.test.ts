import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { createParley } from '@parley/client/connect';
import { signToken } from '@parley/server/account/token';
import { afterEach, expect, it } from 'vitest';
import { freshDatabase } from '../support/database.ts';
import { answer, gate, startProvider } from '../support/provider.ts';

const boot = path.resolve(import.meta.dirname, '../../server/boot');

const cleanups: Array<() => unknown> = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const program = (source: string): string[] => ['--input-type=module', '--eval', source];

// Guard: a launcher whose npm has ended closes the channel of a server, and does not tell it to drain.
it('npm killed in the middle of an answer leaves no server that waits for it', async () => {
  const database = await freshDatabase();
  cleanups.push(database.drop);
  const provider = await startProvider();
  cleanups.push(provider.close);
  provider.script(answer('The sea', gate()));

  const launcher = program(`
    import { launch } from ${JSON.stringify(path.join(boot, 'launch.mjs'))};
    const onStart = (child) => console.log('server is', child.pid);
    process.exit(await launch(process.execPath, [${JSON.stringify(path.join(boot, 'main.ts'))}], { ownGroup: true, onStart }));`);
  const npm = program(`
    import { spawn } from 'node:child_process';
    const env = { ...process.env, npm_lifecycle_event: 'start' };
    spawn(process.execPath, ${JSON.stringify(launcher)}, { env, stdio: 'inherit' });`);
  const secret = 'a secret of tests, as long as one has to be';
  const child = spawn(process.execPath, npm, {
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      PORT: '0',
      DATABASE_URL: database.url,
      AUTH_JWT_SECRET: secret,
      AUTH_PROVISION: 'auto',
      OPENAI_BASE_URL: provider.url,
      LOG_LEVEL: 'silent',
      // Longer than any test waits.
      DRAIN_MS: '600000',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  cleanups.push(() => child.kill('SIGKILL'));
  // It ends with the last process that writes to it.
  const output = createInterface({ input: child.stdout });
  const ended = once(output, 'close');
  const url = await new Promise<string>((resolve, reject) => {
    void ended.then(() => reject(new Error('no server')));
    output.on('line', (line) => {
      const [, pid] = /^server is (\d+)/.exec(line) ?? [];
      if (pid !== undefined) cleanups.push(() => kill(Number(pid)));
      const [, listening] = /^parley listening on (\S+)/.exec(line) ?? [];
      if (listening !== undefined) resolve(listening);
    });
  });

  const parley = createParley({ url, token: await signToken({ secret, user: 'ann', tenant: 'default' }) });
  const { id } = await parley.conversations.create({ title: 'The sea' });
  parley.conversation(id).send('I grew up by the sea.');
  await provider.request(0);
  await parley.close();

  child.kill('SIGKILL');
  await ended;
});

// Guard: a server that has ended aborts the build of the console.
it('a server that ends while the console is built ends the build too', async () => {
  const copy = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'parley-test-launch-')));
  cleanups.push(() => fs.rmSync(copy, { recursive: true, force: true }));
  const vite = path.join(copy, 'client/node_modules/vite/bin/vite.js');
  const begun = path.join(copy, 'begun');
  for (const folder of [path.dirname(vite), path.join(copy, 'server/boot'), path.join(copy, 'shared')])
    fs.mkdirSync(folder, { recursive: true });
  for (const file of ['start.mjs', 'launch.mjs', 'build.mjs'])
    fs.copyFileSync(path.join(boot, file), path.join(copy, 'server/boot', file));
  fs.writeFileSync(path.join(copy, 'pnpm-lock.yaml'), '');
  fs.writeFileSync(
    path.join(copy, 'server/boot/install.mjs'),
    `export const root = ${JSON.stringify(copy)};
     export const ensureInstalled = async () => process.execPath;
     export const fail = (error) => { throw error; };`,
  );
  // A build that takes for ever, and a server that ends once it has begun.
  fs.writeFileSync(
    vite,
    `const fs = require('node:fs');
     fs.writeFileSync(${JSON.stringify(`${begun}.draft`)}, String(process.pid));
     fs.renameSync(${JSON.stringify(`${begun}.draft`)}, ${JSON.stringify(begun)});
     setInterval(() => {}, 1_000);`,
  );
  fs.writeFileSync(
    path.join(copy, 'server/boot/main.ts'),
    `const { existsSync } = require('node:fs');
     setInterval(() => existsSync(${JSON.stringify(begun)}) && process.exit(7), 10);`,
  );
  const child = spawn(process.execPath, [path.join(copy, 'server/boot/start.mjs')], { stdio: 'ignore' });
  cleanups.push(() => {
    child.kill('SIGKILL');
    if (fs.existsSync(begun)) kill(Number(fs.readFileSync(begun, 'utf8')));
  });
  const [code] = await once(child, 'exit');
  expect(code).toBe(7);
  expect(isAlive(Number(fs.readFileSync(begun, 'utf8')))).toBe(false);
  expect(fs.readdirSync(path.join(copy, 'client/console/dist'))).toEqual([]);
});
