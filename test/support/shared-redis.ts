import { randomUUID } from 'node:crypto';
import { inject } from 'vitest';
import { RedisUnavailable } from './redis-binary.ts';

/**
 * The run's Redis and a key prefix of the caller's own. Other files use it at the same time: do not flush, stop or count it
 * as a whole; `startRedis` gives one for that. Throws `RedisUnavailable` where there is none.
 */
export function sharedRedis(): { url: string; prefix: string } {
  const redis = inject('redis');
  if ('missing' in redis) throw new RedisUnavailable(redis.missing);
  return { url: redis.url, prefix: `test:${randomUUID()}:` };
}
