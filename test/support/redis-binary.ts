import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { cacheFolder, fetchPackages, libraryFolders, reasonOf, release } from './debian.ts';

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
  try {
    const cache = path.join(cacheFolder(), `redis-${process.arch}-${release()}`);
    const cached = unpacked(cache);
    if (cached !== undefined) return cached;
    const programs = ['redis-server', 'redis-tools'];
    await fetchPackages({
      cache,
      label: 'Redis',
      programs,
      from: 'direct',
      isDone: () => unpacked(cache) !== undefined,
    });
    const fetched = unpacked(cache);
    if (fetched !== undefined) return fetched;
    throw new Error(`Debian's packages in ${cache} do not run here`);
  } catch (error) {
    throw new RedisUnavailable(`no Redis: set REDIS_URL or install redis-server (${reasonOf(error)})`);
  }
}

function works({ command, libraries }: RedisBinary): boolean {
  return spawnSync(command, ['--version'], { env: redisEnvironment(libraries) }).status === 0;
}

export function redisEnvironment(libraries: readonly string[]): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, LC_ALL: 'C', ...(libraries.length > 0 && { LD_LIBRARY_PATH: libraries.join(':') }) };
}

function unpacked(cache: string): RedisBinary | undefined {
  const binary = { command: path.join(cache, 'usr/bin/redis-server'), libraries: libraryFolders(cache) };
  return works(binary) ? binary : undefined;
}
