import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');

/** What a person's browser may load before the page is there. */
const mostBytes = 200 * 1024;

let copy: string;
let dist: string;
const children: ChildProcess[] = [];

/** A repository of its own, so that builds neither disturb others nor find what others left. */
beforeEach(() => {
  copy = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'parley-test-build-')));
  dist = path.join(copy, 'client/console/dist');
  for (const name of ['client', 'shared', 'server/boot', 'pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json'])
    fs.cpSync(path.join(root, name), path.join(copy, name), { recursive: true, filter: isSource });
  for (const name of ['node_modules', 'client/node_modules', 'shared/node_modules'])
    fs.symlinkSync(path.join(root, name), path.join(copy, name));
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  fs.rmSync(copy, { recursive: true, force: true });
});

function isSource(file: string): boolean {
  return !/(^|\/)(node_modules|dist|expo)$/.test(file);
}

async function build(): Promise<{ code: number | null; output: string }> {
  const program = `import { ensureBuilt } from './server/boot/build.mjs';
    import { fail } from './server/boot/install.mjs';
    ensureBuilt(process.execPath).catch(fail);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: copy,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let output = '';
  const keep = (chunk: unknown): void => {
    output += String(chunk);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  await once(child, 'close');
  return { code: child.exitCode, output };
}

function current(): string {
  return path.join(dist, fs.readFileSync(path.join(dist, 'current'), 'utf8'));
}

function bytesOf(file: string): number {
  return fs.statSync(path.join(current(), `${file}.gz`)).size;
}

describe('the console is built', { timeout: 120_000 }, () => {
  it('once, and again when what it is made from has changed', async () => {
    const first = await build();
    expect(first).toEqual({ code: 0, output: expect.stringMatching(/^parley: building the console …\n/) });
    const before = current();
    expect(await build()).toEqual({ code: 0, output: '' });
    fs.appendFileSync(path.join(copy, 'client/console/src/strings/en.ts'), '// changed\n');
    expect((await build()).output).toContain('building');
    expect(current()).not.toBe(before);
    // A server that still serves the one before goes on doing so.
    expect(fs.existsSync(path.join(before, 'index.html'))).toBe(true);
    expect(fs.readdirSync(dist).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('small enough, and compressed', async () => {
    const { output } = await build();
    const html = fs.readFileSync(path.join(current(), 'index.html'), 'utf8');
    const loaded = [...html.matchAll(/(?:src|href)="(\/[^"]+\.js)"/g)].map(([, file = '']) => file);
    expect(loaded.length).toBeGreaterThan(0);
    const bytes = loaded.reduce((sum, file) => sum + bytesOf(file), 0);
    expect(bytes).toBeGreaterThan(10_000);
    expect(bytes).toBeLessThanOrEqual(mostBytes);
    expect(output).toContain(`${Math.ceil(bytes / 1024)} KB`);
    // The page itself runs nothing: its policy would not let it.
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\son\w+=/);
    for (const file of loaded) expect(fs.existsSync(path.join(current(), `${file}.br`))).toBe(true);
  });

  it('by several starts at the same time', async () => {
    const all = await Promise.all([build(), build(), build()]);
    expect(all.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(fs.existsSync(path.join(current(), 'index.html'))).toBe(true);
    expect(fs.readdirSync(dist).sort()).toEqual([path.basename(current()), 'current'].sort());
  });

  it('or one line says why not, and what was built before stays', async () => {
    await build();
    const before = current();
    const file = path.join(copy, 'client/console/src/app.tsx');
    const good = fs.readFileSync(file);
    fs.writeFileSync(file, `${String(good)}\nexport const = ;\n`);
    const { code, output } = await build();
    expect(code).toBe(1);
    const [said, why, ...rest] = output.trim().split('\n');
    expect(said).toBe('parley: building the console …');
    expect(why).toMatch(/^parley: the console could not be built: .+app\.tsx:\d+:\d+/);
    expect(rest).toEqual([]);
    expect(current()).toBe(before);
    fs.writeFileSync(file, good);
    expect(await build()).toEqual({ code: 0, output: '' });
  });
});
