import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');

let folder: string;
beforeEach(() => {
  folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'parley-test-refusal-')));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

/** How a program on the pinned Node ends that sees no environment but this, and what it says. */
async function outcome(words: string[], env: Record<string, string> = {}): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, words, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const keep = (chunk: unknown): void => {
    output += String(chunk);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  return new Promise((resolve) => child.once('close', (code) => resolve({ code: code ?? -1, output })));
}

/** What a server says that cannot reach this database, on a machine where looking up its name ends with these words. */
async function withoutDatabase(name: string, answer: string): Promise<string> {
  const resolver = `data:text/javascript,
    import dns from 'node:dns';
    const { lookup } = dns;
    dns.lookup = (name, options, done) =>
      name === '${name}' ? setImmediate(done, ${answer}) : lookup(name, options, done);`;
  const { code, output } = await outcome(['--import', resolver, path.join(root, 'server/boot/main.ts')], {
    PORT: '0',
    DATABASE_URL: `postgres://parley@${name}:1/parley`,
    AUTH_JWT_SECRET: 'a secret of tests, as long as one has to be',
    LOG_LEVEL: 'silent',
  });
  expect(code).toBe(1);
  return output;
}

// Guard: what is said comes from the attempts, not from the error that holds them.
it('a start without its database says which addresses it has tried, and what names them', async () => {
  const addresses = "null, [{ address: '::1', family: 6 }, { address: '127.0.0.1', family: 4 }]";
  expect(await withoutDatabase('localhost', addresses)).toMatch(
    /^parley: cannot start: DATABASE_URL cannot be reached: connect E\w+ ::1:1\b.*, connect ECONNREFUSED 127\.0\.0\.1:1\n$/,
  );
});

// Guard: a name that has no address counts as an attempt.
it('a start whose database has no address says which variable has that name', async () => {
  const failure = "Object.assign(new Error('getaddrinfo ENOTFOUND elsewhere'), { syscall: 'getaddrinfo' })";
  expect(await withoutDatabase('elsewhere', failure)).toBe(
    'parley: cannot start: DATABASE_URL cannot be reached: getaddrinfo ENOTFOUND elsewhere\n',
  );
});

// Guard: what PostgreSQL itself refuses is said of the variable that names it.
it('a start whose database is not there says which variable names it', async () => {
  const { host, port, user } = inject('postgres');
  const { code, output } = await outcome([path.join(root, 'server/boot/main.ts')], {
    PORT: '0',
    DATABASE_URL: `postgresql://${user}@localhost:${port}/nowhere?host=${encodeURIComponent(host)}`,
    AUTH_JWT_SECRET: 'a secret of tests, as long as one has to be',
    LOG_LEVEL: 'silent',
  });
  expect([code, output]).toEqual([1, 'parley: cannot start: DATABASE_URL: database "nowhere" does not exist\n']);
});

describe('where its packages do not run, a first start says so and installs nothing:', () => {
  const places = {
    'win32-x64': "Object.defineProperty(process, 'platform', { value: 'win32' });",
    'linux-arm': "Object.defineProperty(process, 'arch', { value: 'arm' });",
    'linux-x64 without glibc': 'process.report.getReport = () => ({ header: {} });',
  };
  // Guard: `checkPlatform` before the lock.
  it.for(Object.entries(places))('%s', async ([place, pretend]) => {
    fs.mkdirSync(path.join(folder, 'server/boot'), { recursive: true });
    for (const file of ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml', 'server/boot/install.mjs'])
      fs.copyFileSync(path.join(root, file), path.join(folder, file));
    const program = `
      Object.defineProperty(process, 'platform', { value: 'linux' });
      Object.defineProperty(process, 'arch', { value: 'x64' });
      process.report.getReport = () => ({ header: { glibcVersionRuntime: '2.36' } });
      ${pretend}
      const { ensureInstalled, fail } = await import('./server/boot/install.mjs');
      await ensureInstalled('serve').catch(fail);`;
    // Without a PATH nothing could be installed.
    const { code, output } = await outcome(['--input-type=module', '--eval', program]);
    expect(output).toBe(`parley: parley runs on Linux with glibc and on macOS, x64 or arm64; this is ${place}\n`);
    expect(code).toBe(1);
    expect(fs.existsSync(path.join(folder, 'node_modules'))).toBe(false);
  });
});
