import { expect } from 'vitest';
import { sharedRedis } from '../support/shared-redis.ts';
import { liveSuite } from './live.ts';
import { redisBench } from './live-redis.ts';

liveSuite('event log in Redis', async () => {
  const { url, prefix } = sharedRedis();
  // A slow machine is not what is tested here.
  const bench = await redisBench(url, { prefix, timeoutMs: 10_000 });
  return {
    ...bench,
    async close() {
      await bench.close();
      expect(bench.losses).toEqual([]);
    },
  };
});
