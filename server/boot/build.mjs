import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify, stripVTControlCharacters } from 'node:util';
import zlib from 'node:zlib';
import { ensureInstalled, fail, root } from './install.mjs';

// Plain JavaScript: it runs on whatever Node the machine has. Vite itself runs on the pinned one.

const self = fileURLToPath(import.meta.url);
const folder = path.join(root, 'client', 'console', 'dist');
const currentFile = path.join(folder, 'current');
const BUILD_MS = 3 * 60_000;
const OUTPUT_BYTES = 64_000;
/** Builds that stay, for servers that still serve them. */
const KEPT = 3;

/**
 * Builds the console, unless what it is made from is the same as when it was built (then: a few milliseconds, and no Vite).
 * Starts at the same time may each build it; the same build takes the same place.
 * Throws an Error whose message is one line for people; when `signal` aborts, Vite is ended and that is its reason.
 */
export async function ensureBuilt(node, signal) {
  const name = fingerprint();
  if (isCurrent(name)) return;
  console.error('parley: building the console …');
  fs.mkdirSync(folder, { recursive: true });
  // Beside the builds, so that it can be renamed to be one of them; such a name is never served.
  const draft = fs.mkdtempSync(path.join(folder, '.draft-'));
  try {
    await vite(node, draft, signal);
    await compress(draft);
    place(draft, path.join(folder, name));
  } finally {
    fs.rmSync(draft, { recursive: true, force: true });
  }
  point(name);
  sweep(name);
  const { kilobytes } = firstLoad(path.join(folder, name));
  console.error(`parley: console built, ${kilobytes} KB of compressed JavaScript at first`);
}

/** What a page loads before it shows anything: the scripts that index.html names, compressed with gzip. */
export function firstLoad(build) {
  const html = fs.readFileSync(path.join(build, 'index.html'), 'utf8');
  const scripts = [...html.matchAll(/(?:src|href)="(\/[^"]+\.js)"/g)].map(([, name]) => name);
  const bytes = scripts.reduce((sum, name) => sum + fs.statSync(path.join(build, `${name}.gz`)).size, 0);
  return { scripts, bytes, kilobytes: Math.ceil(bytes / 1024) };
}

function isCurrent(name) {
  try {
    return fs.readFileSync(currentFile, 'utf8') === name && fs.existsSync(path.join(folder, name, 'index.html'));
  } catch {
    return false;
  }
}

/** Everything that the page is made from, this file included: how it is compressed is part of what it is. */
function fingerprint() {
  const sources = ['client', 'shared'].flatMap((name) => list(path.join(root, name)));
  const hash = createHash('sha256');
  for (const file of [...sources, path.join(root, 'pnpm-lock.yaml'), self]) {
    hash.update(`\0${path.relative(root, file)}\0`).update(fs.readFileSync(file));
  }
  return hash.digest('hex').slice(0, 16);
}

const others = new Set(['node_modules', 'dist', 'cli', 'expo']);

function list(directory) {
  return fs
    .readdirSync(directory, { withFileTypes: true })
    .sort((one, other) => (one.name < other.name ? -1 : 1))
    .flatMap((entry) => {
      const file = path.join(directory, entry.name);
      if (others.has(entry.name) || entry.name.startsWith('.')) return [];
      if (entry.isDirectory()) return list(file);
      return entry.isFile() && !entry.name.endsWith('.test.ts') ? [file] : [];
    });
}

async function vite(node, outDir, signal) {
  const client = path.join(root, 'client');
  const program = path.join(client, 'node_modules', 'vite', 'bin', 'vite.js');
  const words = [program, 'build', 'console', '--config', 'console/vite.config.ts', '--outDir', outDir];
  const child = spawn(node, [...words, '--emptyOutDir', '--logLevel', 'warn'], {
    cwd: client,
    env: { ...process.env, NODE_ENV: 'production' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: BUILD_MS,
    signal,
    killSignal: 'SIGKILL',
  });
  let output = '';
  const keep = (chunk) => {
    output = (output + chunk).slice(0, OUTPUT_BYTES);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const ok = await new Promise((resolve) => {
    child.once('error', (error) => keep(error.message));
    child.once('close', (code) => resolve(code === 0));
  });
  if (!ok) signal?.throwIfAborted();
  if (!ok) throw new Error(`the console could not be built: ${firstError(output)}`);
}

/** What Vite says first, and where that is. */
function firstError(output) {
  const lines = stripVTControlCharacters(output)
    .split('\n')
    .map((line) => line.trim());
  const telling = lines.filter(
    (line) => /^\W*[A-Za-z]/.test(line) && !/^(vite v|transforming|✗|error during build|build failed)/i.test(line),
  );
  const place = lines.map((line) => /[\w./-]+\.\w+:\d+:\d+/.exec(line)?.[0]).find((each) => each !== undefined);
  const why = telling[0]?.slice(0, 300) ?? 'Vite ended without a word';
  return place === undefined ? why : `${why} (${place})`;
}

/** Compressed once, not for every reader. */
async function compress(build) {
  const brotli = promisify(zlib.brotliCompress);
  const gzip = promisify(zlib.gzip);
  const files = list(build).filter((file) => /\.(js|css|html|svg)$/.test(file));
  await Promise.all(
    files.map(async (file) => {
      const data = await fs.promises.readFile(file);
      const params = {
        [zlib.constants.BROTLI_PARAM_QUALITY]: 10,
        [zlib.constants.BROTLI_PARAM_SIZE_HINT]: data.length,
      };
      await fs.promises.writeFile(`${file}.br`, await brotli(data, { params }));
      await fs.promises.writeFile(`${file}.gz`, await gzip(data, { level: 9 }));
    }),
  );
}

function place(draft, build) {
  fs.chmodSync(draft, 0o755);
  try {
    fs.renameSync(draft, build);
  } catch (error) {
    // Another start has just built the same.
    if (!fs.existsSync(path.join(build, 'index.html'))) throw new Error(`${build} cannot be written: ${error.message}`);
  }
}

function point(name) {
  const next = `${currentFile}.${process.pid}`;
  fs.writeFileSync(next, name);
  fs.renameSync(next, currentFile);
}

/** Old builds, and drafts of starts that were killed. */
function sweep(name) {
  const entries = fs
    .readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== name)
    .map((entry) => ({ path: path.join(folder, entry.name), draft: entry.name.startsWith('.') }))
    .map((entry) => ({ ...entry, at: fs.statSync(entry.path, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .sort((one, other) => other.at - one.at);
  const drafts = entries.filter(({ draft, at }) => draft && Date.now() - at > BUILD_MS);
  const builds = entries.filter(({ draft }) => !draft).slice(KEPT - 1);
  for (const entry of [...drafts, ...builds]) fs.rmSync(entry.path, { recursive: true, force: true });
}

if (process.argv[1] !== undefined && fs.realpathSync(process.argv[1]) === self) {
  ensureInstalled('serve').then(ensureBuilt).catch(fail);
}
