import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { onParentGone } from '@parley/server/boot/parent';
import type { TestProject } from 'vitest/node';
import { type ChromiumBinary, ChromiumUnavailable, findChromium } from './chromium-binary.ts';
import { makeTemplate, type Server, startPostgres, sweepFolders } from './postgres.ts';
import { startRedis } from './redis.ts';
import { RedisUnavailable } from './redis-binary.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The run's PostgreSQL. */
    postgres: Server;
    /** The run's Redis, or why there is none. */
    redis: { url: string } | { missing: string };
    /** The browser of browser tests, or why there is none. */
    chromium: ChromiumBinary | { missing: string };
  }
}

/** One PostgreSQL and one Redis for the whole run. Both end with this process, even when it is killed. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // Killed `npm test`: nothing is left to report to.
  onParentGone(() => process.exit(1));
  sweepFolders();
  const [postgres, redis, chromium] = await Promise.all([startPostgres(), sharedRedis(), browser(), compile()]);
  await makeTemplate(postgres.connection);
  project.provide('postgres', postgres.connection);
  project.provide('redis', redis.context);
  project.provide('chromium', chromium);
  return async () => {
    await Promise.all([postgres.stop(), redis.stop()]);
    // Said once more at the end, where nobody overlooks it: a run that skips looks like one that passes.
    for (const found of [redis.context, chromium])
      if ('missing' in found) console.error(`tests were skipped: ${found.missing}`);
  };
}

/** Compiles what replicas run, if what is compiled is kept (see launch.mjs). */
async function compile(): Promise<void> {
  if (process.env.NODE_COMPILE_CACHE === undefined) return;
  await promisify(execFile)(process.execPath, [fileURLToPath(new URL('compile.ts', import.meta.url))]);
}

async function sharedRedis() {
  const given = process.env.REDIS_URL;
  if (given !== undefined && given !== '') return { context: { url: given }, stop: async () => {} };
  try {
    const redis = await startRedis();
    return { context: { url: redis.url }, stop: redis.stop };
  } catch (error) {
    if (!(error instanceof RedisUnavailable)) throw error;
    console.error(error.message);
    return { context: { missing: error.message }, stop: async () => {} };
  }
}

async function browser(): Promise<ChromiumBinary | { missing: string }> {
  try {
    return await findChromium();
  } catch (error) {
    if (!(error instanceof ChromiumUnavailable)) throw error;
    console.error(error.message);
    return { missing: error.message };
  }
}
