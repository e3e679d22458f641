import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startEmbedded } from '@parley/db/embedded';
import { DataFolderInUse, EmbeddedUnavailable } from '@parley/db/embedded-failure';
import pg from 'pg';
import { afterEach, expect, it } from 'vitest';
import { z } from 'zod';
import { quickParent } from '../support/quick-parent.ts';

const isRoot = process.getuid?.() === 0;
/** An ordinary user that every system has, and not nobody, as whom PostgreSQL runs for root. initdb wants a name for it. */
const stranger = { uid: idOf('-u'), gid: idOf('-g') };
const strangerCanRun = isRoot && spawnSync(process.execPath, ['--version'], { ...stranger, cwd: '/' }).status === 0;

function idOf(which: '-u' | '-g'): number {
  return Number.parseInt(spawnSync('id', [which, 'daemon'], { encoding: 'utf8' }).stdout, 10);
}

const started = z.object({
  connection: z.object({ host: z.string(), port: z.number(), user: z.string(), database: z.string() }),
  pid: z.number(),
});
type Started = z.infer<typeof started>;

const cleanups: Array<() => void | Promise<void>> = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function newFolder(): string {
  const folder = fs.mkdtempSync(path.join(quickParent(), 'parley-test-embedded-'));
  cleanups.push(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function start(dataDir: string, log?: (line: string) => void) {
  const server = await startEmbedded({ dataDir, ...(log && { log }) });
  cleanups.push(server.stop);
  return server;
}

function program(name: string, words: string[], user: { uid?: number; gid?: number } = {}): ChildProcess {
  const file = fileURLToPath(new URL(`../support/${name}`, import.meta.url));
  const child = spawn(process.execPath, [file, ...words], {
    ...user,
    cwd: '/',
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  cleanups.push(() => kill(child));
  return child;
}

async function firstLine(child: ChildProcess): Promise<unknown> {
  if (child.stdout === null) throw new Error('its output is not piped');
  for await (const line of createInterface({ input: child.stdout })) return JSON.parse(line);
  throw new Error('it ended without a word');
}

async function startElsewhere(dataDir: string, user?: { uid: number; gid: number }) {
  const child = program('embedded-server.ts', [dataDir], user);
  const server = started.parse(await firstLine(child));
  cleanups.push(async () => {
    await kill(child);
    // Until then it writes into the folder that is about to be removed.
    await gone(server.pid);
  });
  return { child, ...server };
}

async function query(connection: Started['connection'], sql: string): Promise<unknown[]> {
  const client = new pg.Client(connection);
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

async function write(connection: Started['connection']): Promise<void> {
  await query(connection, "CREATE TABLE note (word text); INSERT INTO note VALUES ('kept')");
}

const kept = [{ word: 'kept' }];
const read = (connection: Started['connection']) => query(connection, 'SELECT word FROM note');

/** Ended, be it that nobody has asked for its exit code yet. */
function hasEnded(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform === 'linux' && / Z /.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true;
  }
}

async function gone(pid: number): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!hasEnded(pid)) {
    if (performance.now() > deadline) throw new Error(`process ${pid} is still there`);
    await sleep(20);
  }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

it('keeps its data over a restart, and is reached by its socket only', async () => {
  const folder = newFolder();
  const first = await start(folder);
  await write(first.connection);
  expect(await query(first.connection, 'SHOW listen_addresses')).toEqual([{ listen_addresses: '' }]);
  await first.stop();
  await expect(query(first.connection, 'SELECT 1')).rejects.toThrow();

  const second = await start(folder);
  expect(await read(second.connection)).toEqual(kept);
  const client = new pg.Client(second.url);
  await client.connect();
  await client.end();
});

it('ends with a killed parent, and the next start finds what was committed', async () => {
  const folder = newFolder();
  const first = await startElsewhere(folder);
  await write(first.connection);
  await kill(first.child);
  // At once, while PostgreSQL may still be shutting down.
  const second = await start(folder);
  expect(await read(second.connection)).toEqual(kept);
  await gone(first.pid);
});

it('finds what was committed when everything was killed, whoever has the old process id now', async () => {
  const folder = newFolder();
  const first = await startElsewhere(folder);
  await write(first.connection);
  process.kill(first.pid, 'SIGKILL');
  await kill(first.child);
  // Process ids come round again: PostgreSQL's own lock file now names a living program of the same user.
  const cluster = path.join(folder, 'postgres');
  const { uid, gid } = fs.statSync(cluster);
  const successor = spawn('sleep', ['600'], isRoot ? { uid, gid } : {});
  cleanups.push(() => kill(successor));
  const lockFile = path.join(cluster, 'postmaster.pid');
  const lines = fs.readFileSync(lockFile, 'utf8').split('\n');
  fs.writeFileSync(lockFile, [String(successor.pid), ...lines.slice(1)].join('\n'));
  const second = await start(folder);
  expect(await read(second.connection)).toEqual(kept);
});

it('ends a PostgreSQL that outlived its server before it starts another', async () => {
  const folder = newFolder();
  const first = await startElsewhere(folder);
  await write(first.connection);
  // Frozen, it cannot follow the signal that its parent's death sends.
  process.kill(first.pid, 'SIGSTOP');
  await kill(first.child);
  const thaw = setTimeout(() => process.kill(first.pid, 'SIGCONT'), 500);
  cleanups.push(() => clearTimeout(thaw));
  const second = await start(folder);
  await gone(first.pid);
  expect(await read(second.connection)).toEqual(kept);
});

// Guard: only `stop` lets the folder go. Without it another server could start beside the one that is about to say what happened.
it('that ends by itself leaves its folder held until it is stopped, and what was committed in it', async () => {
  const folder = newFolder();
  const first = await start(folder);
  await write(first.connection);
  process.kill(first.pid, 'SIGKILL');
  await first.exited;
  const other = program('embedded-server.ts', [folder]);
  expect(await firstLine(other)).toMatchObject({ name: 'DataFolderInUse' });
  await first.stop();
  expect(await read((await start(folder)).connection)).toEqual(kept);
});

// Guard: `serve` looks at `exited`. Without it the server stays, and answers nothing ever again.
it('that ends by itself ends its server, with one line that says so', async () => {
  const main = path.resolve(import.meta.dirname, '../../server/boot/main.ts');
  const folder = newFolder();
  const none = 'http://127.0.0.1:1';
  const child = spawn(process.execPath, [main], {
    env: { PATH: process.env.PATH, PORT: '0', DATA_DIR: folder, OPENAI_BASE_URL: none, LOG_LEVEL: 'silent' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  cleanups.push(() => kill(child));
  for await (const line of createInterface({ input: child.stdout })) if (line.startsWith('parley listening')) break;
  const said = text(child.stderr);
  const exited = once(child, 'exit');
  process.kill(Number.parseInt(fs.readFileSync(path.join(folder, 'postgres/postmaster.pid'), 'utf8'), 10), 'SIGKILL');
  expect(await exited).toEqual([1, null]);
  expect(await said).toMatch(/^parley: PostgreSQL has ended by itself[^\n]*\n$/);
  await start(folder);
});

it('refuses a second server on the same folder, in this process and from another, and leaves the first alone', async () => {
  const folder = newFolder();
  const first = await start(folder);
  await write(first.connection);
  const link = path.join(newFolder(), 'link');
  fs.symlinkSync(folder, link);
  const refusal = (dataDir: string) => expect(startEmbedded({ dataDir })).rejects.toThrow(DataFolderInUse);
  await Promise.all([refusal(folder), refusal(link)]);
  const other = program('embedded-server.ts', [folder]);
  expect(await firstLine(other)).toMatchObject({ name: 'DataFolderInUse', message: expect.stringContaining(folder) });
  expect(await read(first.connection)).toEqual(kept);
});

it('works on a path too long for a socket, and leaves no link behind', async () => {
  const folder = path.join(newFolder(), 'long'.repeat(40));
  const first = await startElsewhere(folder);
  await write(first.connection);
  const link = path.dirname(first.connection.host);
  await kill(first.child);
  const second = await start(folder);
  expect(fs.existsSync(link)).toBe(false);
  expect(await read(second.connection)).toEqual(kept);
  await second.stop();
  expect(fs.existsSync(path.dirname(second.connection.host))).toBe(false);
});

it('starts over what an interrupted first start left', async () => {
  const folder = newFolder();
  fs.mkdirSync(path.join(folder, 'postgres.new', 'base'), { recursive: true });
  const server = await start(folder);
  expect(await query(server.connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
});

it('says in one line why it cannot start', async () => {
  const folder = newFolder();
  const first = await start(folder);
  await first.stop();
  fs.writeFileSync(path.join(folder, 'postgres', 'PG_VERSION'), '17\n');
  const failure = await startEmbedded({ dataDir: folder }).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(EmbeddedUnavailable);
  expect(failure).toMatchObject({ message: expect.stringMatching(/^.*PostgreSQL 17.*$/) });
  // The folder is let go, so the next attempt is not told that it is in use.
  await expect(startEmbedded({ dataDir: folder })).rejects.toThrow(EmbeddedUnavailable);
  const file = path.join(newFolder(), 'file');
  fs.writeFileSync(file, '');
  await expect(startEmbedded({ dataDir: file })).rejects.toThrow(EmbeddedUnavailable);
});

it('logs where the data lie and nothing that was written', async () => {
  const folder = newFolder();
  const lines: string[] = [];
  const server = await start(folder, (line) => lines.push(line));
  await write(server.connection);
  await expect(query(server.connection, "SELECT 'hush'::int")).rejects.toThrow('hush');
  await expect(
    query(server.connection, "ALTER TABLE note ADD UNIQUE (word); INSERT INTO note VALUES ('kept')"),
  ).rejects.toThrow();
  await server.stop();
  expect(lines.some((line) => line.includes(path.join(folder, 'postgres')))).toBe(true);
  expect(lines.filter((line) => /hush|kept/.test(line))).toEqual([]);
});

it.runIf(isRoot)('as root works in a folder that only root may enter, and keeps its data there', async () => {
  const closed = newFolder();
  fs.chmodSync(closed, 0o700);
  const folder = path.join(closed, 'data');
  const first = await start(folder);
  await write(first.connection);
  expect(fs.statSync(path.join(folder, 'postgres')).uid).not.toBe(0);
  expect(spawnSync('test', ['-e', folder], { ...stranger, cwd: '/' }).status).not.toBe(0);
  await first.stop();
  expect(await read((await start(folder)).connection)).toEqual(kept);
});

it.runIf(strangerCanRun)("an ordinary user's database is still that user's after root has run it", async () => {
  const folder = newFolder();
  fs.chownSync(folder, stranger.uid, stranger.gid);
  const first = await startElsewhere(folder, stranger);
  await write(first.connection);
  await kill(first.child);
  const byRoot = await start(folder);
  expect(await read(byRoot.connection)).toEqual(kept);
  await byRoot.stop();
  const again = await startElsewhere(folder, stranger);
  expect(await read(again.connection)).toEqual(kept);
});

it.for(['kernel', 'watchdog'])('a bound child ends with its killed parent (%s)', async (way) => {
  const parent = program('bound-child.ts', [way]);
  const pid = z.number().parse(await firstLine(parent));
  await kill(parent);
  await gone(pid);
});
