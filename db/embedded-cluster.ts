import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { OtherUser } from './embedded-binary.ts';
import { type BoundChild, spawnBound } from './embedded-child.ts';
import { EmbeddedUnavailable } from './embedded-failure.ts';

const MAJOR = '18';
const INITIALISE_MS = 120_000;

/** A PostgreSQL data folder and who may run it; `user` is absent when that is this process's own user. */
export interface Cluster {
  folder: string;
  programs: string;
  user?: OtherUser;
}

/** The user that must run the cluster in `folder`, which may not exist yet; `undefined`: this process's own. */
export function clusterUser(folder: string): OtherUser | undefined {
  const self = process.getuid?.();
  const found = fs.statSync(folder, { throwIfNoEntry: false });
  if (self !== 0) {
    if (found === undefined || found.uid === self) return undefined;
    throw new EmbeddedUnavailable(
      `${folder} belongs to uid ${found.uid}: start as that user or as root, or set DATA_DIR`,
    );
  }
  if (found === undefined) return { uid: idOfNobody('-u'), gid: idOfNobody('-g') };
  if (found.uid !== 0) return { uid: found.uid, gid: found.gid };
  throw new EmbeddedUnavailable(
    `${folder} belongs to root, as which PostgreSQL does not run: chown -R nobody ${folder}`,
  );
}

function idOfNobody(which: '-u' | '-g'): number {
  const id = Number.parseInt(spawnSync('id', [which, 'nobody'], { encoding: 'utf8' }).stdout, 10);
  return Number.isNaN(id) ? 65_534 : id;
}

/** Starts one of PostgreSQL's programs inside the cluster's folder, with nothing of this process's PG* environment. */
export function runIn(cluster: Cluster, program: 'initdb' | 'postgres', args: readonly string[]): BoundChild {
  const at = process.platform === 'linux' ? '/proc/self/cwd' : cluster.folder;
  return spawnBound(path.join(cluster.programs, program), ['-D', at, ...args], {
    ...cluster.user,
    cwd: cluster.folder,
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
    signal: 'SIGINT',
  });
}

/** Calls `onLine` for each line of output; resolves with the last ones when the program has ended, never rejects. */
export function follow(child: BoundChild, onLine: (line: string) => void): Promise<{ ok: boolean; tail: string[] }> {
  const tail: string[] = [];
  const keep = (line: string) => {
    tail.push(line);
    if (tail.length > 20) tail.shift();
    onLine(line);
  };
  const read = (stream: Readable) => createInterface({ input: stream }).on('line', keep);
  read(child.stdout);
  read(child.stderr);
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ ok: false, tail: [...tail, error.message] }));
    child.once('close', (code) => resolve({ ok: code === 0, tail }));
  });
}

/** The one line of a program's output that says why it failed. */
export function reasonOf(tail: readonly string[]): string {
  const telling = tail.filter((line) => /FATAL|PANIC|error|could not|cannot|failed|refus/i.test(line));
  return telling.at(0) ?? tail.at(-1) ?? 'it ended without a word';
}

/**
 * Creates the cluster. It is made beside its place and moved there when it is whole, so that a kill in between leaves
 * no half of one.
 */
export async function initialise(cluster: Cluster, durable: boolean): Promise<void> {
  const draft = `${cluster.folder}.new`;
  fs.rmSync(draft, { recursive: true, force: true });
  fs.mkdirSync(draft, { mode: 0o700 });
  if (cluster.user !== undefined) fs.chownSync(draft, cluster.user.uid, cluster.user.gid);
  const child = runIn({ ...cluster, folder: draft }, 'initdb', [
    ...['--username=postgres', '--auth=trust', '--encoding=UTF8', '--no-instructions'],
    // The same order and case rules on every platform.
    ...['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'],
    ...(durable ? [] : ['--no-sync']),
  ]);
  const limit = setTimeout(() => child.kill('SIGKILL'), INITIALISE_MS);
  const { ok, tail } = await follow(child, () => {});
  clearTimeout(limit);
  if (!ok) throw new EmbeddedUnavailable(`PostgreSQL could not create ${cluster.folder}: ${reasonOf(tail)}`);
  fs.renameSync(draft, cluster.folder);
  if (durable) syncFolder(path.dirname(cluster.folder));
}

function syncFolder(folder: string): void {
  const file = fs.openSync(folder, 'r');
  fs.fsyncSync(file);
  fs.closeSync(file);
}

export function checkVersion(cluster: Cluster): void {
  const version = fs.readFileSync(path.join(cluster.folder, 'PG_VERSION'), 'utf8').trim();
  if (version === MAJOR) return;
  throw new EmbeddedUnavailable(
    `${cluster.folder} was made by PostgreSQL ${version}, this is ${MAJOR}: set DATA_DIR to another folder, or move the data with pg_dump`,
  );
}
