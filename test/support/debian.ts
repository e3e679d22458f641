import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const FETCH_MS = 300_000;

export interface Packages {
  /** The folder that they are unpacked into, made whole or not at all. */
  cache: string;
  /** What people call it. */
  label: string;
  programs: readonly string[];
  /**
   * `direct`: with the libraries that they name, those not installed; works where anything else about the machine's packages is
   * broken, since apt's resolver is left out. `resolved`: with all that apt would install.
   */
  from: 'direct' | 'resolved';
  /** Whether another run was faster. */
  isDone(): boolean;
}

/**
 * Debian's packages, downloaded and unpacked in private folders: nothing is installed and no root is needed.
 * Throws what apt or dpkg throws; `reasonOf` gives its line for people.
 */
export async function fetchPackages({ cache, label, programs, from, isDone }: Packages): Promise<void> {
  console.error(`fetching ${label} from Debian for the tests …`);
  const draft = fs.mkdtempSync(`${cache}-`);
  const download = from === 'direct' ? downloadDirect : downloadResolved;
  try {
    const archives = path.join(draft, 'archives');
    const lists = path.join(draft, 'lists');
    for (const folder of [archives, lists]) fs.mkdirSync(path.join(folder, 'partial'), { recursive: true });
    const privately = ['-o', 'Debug::NoLocking=true', '-o', 'APT::Sandbox::User=root', '-o', `Dir::Cache=${draft}`];
    try {
      await download(programs, privately, archives);
    } catch {
      // The machine's package lists are missing or too old: own ones. A source that fails leaves the others usable.
      privately.push('-o', `Dir::State::lists=${lists}`);
      await run('apt-get', ['-qq', ...privately, 'update'], { timeout: FETCH_MS }).catch(() => {});
      await download(programs, privately, archives);
    }
    const root = path.join(draft, 'root');
    for (const name of fs.readdirSync(archives).filter((file) => file.endsWith('.deb'))) {
      await run('dpkg', ['-x', path.join(archives, name), root], { timeout: FETCH_MS });
    }
    if (isDone()) return;
    fs.rmSync(cache, { recursive: true, force: true });
    fs.renameSync(root, cache);
  } finally {
    fs.rmSync(draft, { recursive: true, force: true });
  }
}

async function downloadDirect(programs: readonly string[], options: readonly string[], into: string): Promise<void> {
  const depends = await run('apt-cache', [...options, 'depends', ...programs], { timeout: FETCH_MS });
  const listed = await run('dpkg', ['-l'], { timeout: FETCH_MS, maxBuffer: 64_000_000 });
  const installed = new Set(Array.from(listed.stdout.matchAll(/^ii +([^: ]+)/gm), (match) => match[1]));
  const libraries = Array.from(depends.stdout.matchAll(/Depends: (l(?:ib|ua)\S+)/g), (match) => match[1] ?? '');
  const missing = libraries.filter((name) => !installed.has(name));
  await run('apt-get', ['-qq', ...options, 'download', ...programs, ...missing], { timeout: FETCH_MS, cwd: into });
}

/** Into the archives of the cache that the options name. */
async function downloadResolved(programs: readonly string[], options: readonly string[]): Promise<void> {
  const words = ['-y', '--no-install-recommends', '--download-only', 'install'];
  await run('apt-get', ['-qq', ...options, ...words, ...programs], { timeout: FETCH_MS });
}

/** Where the libraries of an unpacked package lie; the private ones, which others find by a path of an installed system, last. */
export function libraryFolders(cache: string): string[] {
  const shared = ['usr/lib', 'lib']
    .map((folder) => path.join(cache, folder))
    .flatMap(foldersIn)
    .filter((folder) => folder.endsWith('-linux-gnu'));
  const own = shared
    .flatMap(foldersIn)
    .filter((folder) => fs.readdirSync(folder).some((name) => /^lib.+\.so/.test(name)));
  return [...shared, ...own];
}

function foldersIn(folder: string): string[] {
  if (!fs.existsSync(folder)) return [];
  return fs
    .readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.join(folder, entry.name));
}

export function release(): string {
  const text = fs.existsSync('/etc/os-release') ? fs.readFileSync('/etc/os-release', 'utf8') : '';
  return /^VERSION_CODENAME=(\w+)/m.exec(text)?.[1] ?? 'unknown';
}

/** The user's cache, or a folder beside the temporary ones for a user without a home. Throws when none can be written. */
export function cacheFolder(): string {
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
  throw new Error('no cache folder can be written');
}

/** Why it failed, as a line. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? (error.message.trim().split('\n').at(-1) ?? '') : String(error);
}
