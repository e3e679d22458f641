import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { cacheFolder, fetchPackages, libraryFolders, reasonOf, release } from './debian.ts';

/** Where a Chromium can be started from, and what it needs in its environment. */
export interface ChromiumBinary {
  command: string;
  env: Record<string, string>;
}

/** No Chromium is here and none could be fetched. The message is one line for people. */
export class ChromiumUnavailable extends Error {
  override readonly name = 'ChromiumUnavailable';
}

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/**
 * `CHROMIUM`, else a Chromium on PATH, else Debian's package unpacked in the user's cache, which needs no root and installs
 * nothing. Throws `ChromiumUnavailable`.
 */
export async function findChromium(): Promise<ChromiumBinary> {
  const given = process.env.CHROMIUM;
  for (const command of given ? [given] : onPath(names)) {
    if (works({ command, env: {} })) return { command, env: {} };
  }
  if (given) throw new ChromiumUnavailable(`no Chromium: CHROMIUM=${given} does not run`);
  try {
    const cache = path.join(cacheFolder(), `chromium-${process.arch}-${release()}`);
    const isDone = () => works(unpacked(cache));
    if (isDone()) return unpacked(cache);
    await fetchPackages({ cache, label: 'Chromium', programs: ['chromium'], from: 'resolved', isDone });
    if (isDone()) return unpacked(cache);
    throw new Error(`Debian's packages in ${cache} do not run here`);
  } catch (error) {
    throw new ChromiumUnavailable(`no Chromium: install chromium or set CHROMIUM (${reasonOf(error)})`);
  }
}

function onPath(names: readonly string[]): string[] {
  const folders = (process.env.PATH ?? '').split(path.delimiter).filter((folder) => path.isAbsolute(folder));
  return names
    .flatMap((name) => folders.map((folder) => path.join(folder, name)))
    .filter((file) => fs.existsSync(file));
}

function unpacked(cache: string): ChromiumBinary {
  return {
    command: path.join(cache, 'usr/lib/chromium/chromium'),
    env: { LD_LIBRARY_PATH: libraryFolders(cache).join(':') },
  };
}

function works({ command, env }: ChromiumBinary): boolean {
  return spawnSync(command, ['--version'], { env: { ...process.env, ...env } }).status === 0;
}
