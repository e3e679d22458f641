import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

// Plain JavaScript without dependencies: it runs before there are any, on whatever Node the machine has.

export const root = fileURLToPath(new URL('../..', import.meta.url));
const modules = path.join(root, 'node_modules');
const workspaceFile = path.join(root, 'pnpm-workspace.yaml');
const stampFile = path.join(modules, '.parley-install');
const lockFile = path.join(modules, '.parley-install.lock');
const node = path.join(modules, 'node', 'bin', 'node');
const OLDEST_NODE = 20;
/** Where the pinned Node and PostgreSQL come as packages. */
const PLATFORMS = ['linux-x64', 'linux-arm64', 'darwin-arm64', 'darwin-x64'];
const INSTALL_MS = 15 * 60_000;
const OUTPUT_BYTES = 64_000;

/** Workspace packages that only tests and the phone's example need: a server that starts does not wait for them. */
const DEVELOPMENT = ['client/expo', 'test'];

/**
 * Installs the packages that the lock file names, unless they are installed already (then: no network, a few milliseconds).
 * `serve` leaves out what only tests need, `all` is everything. Starts at the same time wait for each other.
 * Resolves to the path of the pinned Node's binary.
 * Throws an Error whose message is for people; the caller prints it and ends.
 *
 * @param {'serve' | 'all'} scope
 */
export async function ensureInstalled(scope) {
  const major = Number.parseInt(process.versions.node, 10);
  if (major < OLDEST_NODE) throw new Error(`parley needs Node ${OLDEST_NODE} or newer, this is ${process.version}`);
  if (isInstalled(scope)) return node;
  checkPlatform();
  fs.mkdirSync(modules, { recursive: true });
  await lock();
  try {
    if (!isInstalled(scope)) await install(scope);
  } finally {
    fs.rmSync(lockFile, { force: true });
  }
  return node;
}

function checkPlatform() {
  const platform = `${process.platform}-${process.arch}`;
  // Packages are linked against glibc. The report names its version, and none where the C library is another one (Alpine's musl).
  const hasLibrary =
    process.platform !== 'linux' || process.report.getReport().header.glibcVersionRuntime !== undefined;
  if (PLATFORMS.includes(platform) && hasLibrary) return;
  const found = hasLibrary ? platform : `${platform} without glibc`;
  throw new Error(`parley runs on Linux with glibc and on macOS, x64 or arm64; this is ${found}`);
}

/** The message of an error for people goes to stderr as one line; any other error keeps its stack. */
export function fail(error) {
  console.error(`parley: ${error.message}`);
  process.exit(1);
}

/** The folders that pnpm-workspace.yaml names under `packages`, its first key. */
function workspace() {
  const [, list = ''] = /^packages:\n((?: +- .+\n)+)/m.exec(fs.readFileSync(workspaceFile, 'utf8')) ?? [];
  return list.split('\n').flatMap((line) => /^ +- (\S+)/.exec(line)?.[1] ?? []);
}

function inScope(scope) {
  return scope === 'all' ? workspace() : workspace().filter((folder) => !DEVELOPMENT.includes(folder));
}

function fingerprint() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`);
  const manifests = workspace().map((name) => path.join(name, 'package.json'));
  for (const file of ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml', ...manifests]) {
    hash.update(`\0${file}\0`).update(fs.readFileSync(path.join(root, file)));
  }
  return hash.digest('hex');
}

function isInstalled(scope) {
  const parts = [node, ...inScope(scope).map((folder) => path.join(root, folder, 'node_modules'))];
  if (!parts.every((part) => fs.existsSync(part)) || !fs.existsSync(stampFile)) return false;
  const [done, stamp] = fs.readFileSync(stampFile, 'utf8').split(' ');
  return stamp === fingerprint() && (done === 'all' || done === scope);
}

async function install(scope) {
  const { packageManager } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
  console.error('parley: installing packages (the first time takes a minute) …');
  const words = ['--yes', packageManager, 'install', '--frozen-lockfile', '--trust-lockfile', '--no-ignore-scripts'];
  // Settings that a user's own configuration may carry and that would leave something out.
  words.push('--node-linker', 'isolated', '--config.production=false', '--config.confirm-modules-purge=false');
  if (scope === 'serve') for (const folder of ['.', ...inScope(scope)]) words.push('--filter', `./${folder}`);
  const child = spawn('npx', words, {
    cwd: root,
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  if (child.pid !== undefined) fs.writeFileSync(lockFile, `${process.pid} ${-child.pid}`);
  const end = (signal) => {
    endGroup(child, signal);
    fs.rmSync(lockFile, { force: true });
    process.exit(1);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.once(signal, end);
  const limit = setTimeout(() => endGroup(child, 'SIGKILL'), INSTALL_MS);
  const { ok, output } = await outcome(child);
  clearTimeout(limit);
  for (const signal of signals) process.removeListener(signal, end);
  if (!ok || !fs.existsSync(node)) throw new Error(`packages could not be installed:\n${output}`);
  fs.writeFileSync(stampFile, `${scope} ${fingerprint()}`);
}

function endGroup(child, signal) {
  if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, signal);
}

function outcome(child) {
  let output = '';
  const keep = (chunk) => {
    output = (output + chunk).slice(-OUTPUT_BYTES);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ ok: false, output: `${output}npx cannot be started: ${error.message}` }));
    child.once('close', (code) => resolve({ ok: code === 0, output }));
  });
}

/** What the install sees: the user's registry, proxy and credentials, but no setting that would change what is installed. */
function environment() {
  const env = { ...process.env };
  for (const name of Object.keys(env)) {
    const setting = /^p?npm_config_(.*)$/i.exec(name)?.[1];
    const wanted =
      setting === undefined || /registry|proxy|auth|cert|key|^ca(file)?$|ssl|cache|config$|fetch/i.test(setting);
    if (!wanted || /^npm_(package|lifecycle|command)/.test(name)) delete env[name];
  }
  delete env.NODE_ENV;
  // A half-installed pinned Node must not be the one that installs.
  const folders = (env.PATH ?? '')
    .split(path.delimiter)
    .filter((folder) => !folder.endsWith(path.join('node_modules', '.bin')));
  env.PATH = [path.dirname(process.execPath), ...folders].join(path.delimiter);
  return {
    ...env,
    CI: 'true',
    // The lock file does not list the package manager itself; npx has already chosen the pinned one.
    pnpm_config_pm_on_fail: 'ignore',
    npm_config_ignore_scripts: 'false',
    npm_config_include: 'dev\n\noptional',
    npm_config_global: 'false',
    npm_config_dry_run: 'false',
    npm_config_package_lock_only: 'false',
    npm_config_min_release_age: '0',
    npm_config_script_shell: '/bin/sh',
    npm_config_update_notifier: 'false',
  };
}

/** Waits until no other start is installing. The lock names the start's process and its installer's group. */
async function lock() {
  const deadline = performance.now() + INSTALL_MS;
  for (let waits = 0; ; waits += 1) {
    try {
      fs.writeFileSync(lockFile, String(process.pid), { flag: 'wx' });
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') throw new Error(`${modules} cannot be written: ${error.message}`);
    }
    breakStaleLock();
    if (waits === 1) console.error('parley: another start is installing packages; waiting for it …');
    if (performance.now() > deadline)
      throw new Error(`another start has been installing for too long; see ${lockFile}`);
    await sleep(100);
  }
}

function breakStaleLock() {
  try {
    const held = fs.readFileSync(lockFile, 'utf8');
    const fresh = Date.now() - fs.statSync(lockFile).mtimeMs < INSTALL_MS;
    // Empty: its writer is between creating and writing it.
    if (fresh && (held === '' || held.split(' ').some((pid) => isAlive(Number(pid))))) return;
    // Renamed first, so that of two starts that find it stale one removes it and the other does not remove its successor.
    const aside = `${lockFile}.${process.pid}`;
    fs.renameSync(lockFile, aside);
    if (fs.readFileSync(aside, 'utf8') === held) fs.rmSync(aside);
    else fs.renameSync(aside, lockFile);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
