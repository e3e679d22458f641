import { execFile, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const FETCH_MS = 180_000;

/** Where a Redis can be started from. `libraries` goes into LD_LIBRARY_PATH. */
export interface RedisBinary {
  command: string;
  libraries: string[];
}

/** No Redis is here and none could be fetched. The message is one line for people. */
export class RedisUnavailable extends Error {
  override readonly name = 'RedisUnavailable';
}

let found: Promise<RedisBinary> | undefined;

/**
 * `redis-server` on PATH, else Debian's packages unpacked in the user's cache, which needs no root and installs nothing.
 * Throws `RedisUnavailable`.
 */
export function findRedis(): Promise<RedisBinary> {
  found ??= search();
  return found;
}

async function search(): Promise<RedisBinary> {
  const installed = { command: 'redis-server', libraries: [] };
  if (works(installed)) return installed;
  const cache = path.join(cacheFolder(), `redis-${process.arch}-${release()}`);
  const cached = unpacked(cache);
  if (cached !== undefined) return cached;
  try {
    await fetchPackages(cache);
  } catch (error) {
    const why = error instanceof Error ? (error.message.trim().split('\n').at(-1) ?? '') : String(error);
    throw new RedisUnavailable(`no Redis: set REDIS_URL or install redis-server (fetching Debian's failed: ${why})`);
  }
  const fetched = unpacked(cache);
  if (fetched === undefined) throw new RedisUnavailable(`no Redis: Debian's packages in ${cache} do not run here`);
  return fetched;
}

function works({ command, libraries }: RedisBinary): boolean {
  return spawnSync(command, ['--version'], { env: redisEnvironment(libraries) }).status === 0;
}

export function redisEnvironment(libraries: readonly string[]): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, LC_ALL: 'C', ...(libraries.length > 0 && { LD_LIBRARY_PATH: libraries.join(':') }) };
}

function unpacked(cache: string): RedisBinary | undefined {
  const libraries = ['usr/lib', 'lib']
    .map((folder) => path.join(cache, folder))
    .filter((folder) => fs.existsSync(folder))
    .flatMap((folder) =>
      fs
        .readdirSync(folder)
        .filter((name) => name.endsWith('-linux-gnu'))
        .map((name) => path.join(folder, name)),
    );
  const binary = { command: path.join(cache, 'usr/bin/redis-server'), libraries };
  return works(binary) ? binary : undefined;
}

function release(): string {
  const text = fs.existsSync('/etc/os-release') ? fs.readFileSync('/etc/os-release', 'utf8') : '';
  return /^VERSION_CODENAME=(\w+)/m.exec(text)?.[1] ?? 'unknown';
}

/** The user's cache, or a folder beside the temporary ones for a user without a home. */
function cacheFolder(): string {
  const uid = process.getuid?.() ?? 0;
  const own = path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'parley');
  const fallback = path.join(os.tmpdir(), `parley-cache-${uid}`);
  for (const folder of [own, fallback]) {
    try {
      fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
      const stat = fs.lstatSync(folder);
      fs.accessSync(folder, fs.constants.W_OK);
      // What lies here is run, so no one else may have put it there.
      if (stat.isDirectory() && stat.uid === uid && (stat.mode & 0o022) === 0) return folder;
    } catch {
      // The next one, then.
    }
  }
  throw new RedisUnavailable(`no Redis: set REDIS_URL or install redis-server (no cache folder can be written)`);
}

/**
 * Downloads and unpacks Redis and those of its libraries that are not installed, all in private folders.
 * apt's own resolver is left out: it gives up where anything else about the machine's packages is broken.
 */
async function fetchPackages(cache: string): Promise<void> {
  console.error('fetching Redis from Debian for the tests …');
  const draft = fs.mkdtempSync(`${cache}-`);
  try {
    const archives = path.join(draft, 'archives');
    const lists = path.join(draft, 'lists');
    for (const folder of [archives, lists]) fs.mkdirSync(path.join(folder, 'partial'), { recursive: true });
    const privately = ['-o', 'Debug::NoLocking=true', '-o', 'APT::Sandbox::User=root', '-o', `Dir::Cache=${draft}`];
    try {
      await download(privately, archives);
    } catch {
      // The machine's package lists are missing or too old: own ones. A source that fails leaves the others usable.
      privately.push('-o', `Dir::State::lists=${lists}`);
      await run('apt-get', ['-qq', ...privately, 'update'], { timeout: FETCH_MS }).catch(() => {});
      await download(privately, archives);
    }
    const root = path.join(draft, 'root');
    for (const name of fs.readdirSync(archives).filter((file) => file.endsWith('.deb'))) {
      await run('dpkg', ['-x', path.join(archives, name), root], { timeout: FETCH_MS });
    }
    // Another run may have been faster.
    if (unpacked(cache) !== undefined) return;
    fs.rmSync(cache, { recursive: true, force: true });
    fs.renameSync(root, cache);
  } finally {
    fs.rmSync(draft, { recursive: true, force: true });
  }
}

async function download(options: readonly string[], into: string): Promise<void> {
  const programs = ['redis-server', 'redis-tools'];
  const depends = await run('apt-cache', [...options, 'depends', ...programs], { timeout: FETCH_MS });
  const listed = await run('dpkg', ['-l'], { timeout: FETCH_MS, maxBuffer: 64_000_000 });
  const installed = new Set(Array.from(listed.stdout.matchAll(/^ii +([^: ]+)/gm), (match) => match[1]));
  const libraries = Array.from(depends.stdout.matchAll(/Depends: (l(?:ib|ua)\S+)/g), (match) => match[1] ?? '');
  const missing = libraries.filter((name) => !installed.has(name));
  await run('apt-get', ['-qq', ...options, 'download', ...programs, ...missing], { timeout: FETCH_MS, cwd: into });
}
