import { Redis } from 'ioredis';
import { sharedRedis } from './shared-redis.ts';

/** Keys that name this id, of the run's Redis unless another is given. */
export async function redisKeys(id: string, url: string = sharedRedis().url): Promise<string[]> {
  const redis = new Redis(url);
  try {
    const keys: string[] = [];
    for await (const page of redis.scanStream({ match: `*${id}*`, count: 1000 })) keys.push(...page.map(String));
    return keys;
  } finally {
    redis.disconnect();
  }
}
