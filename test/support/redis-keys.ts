import { Redis } from 'ioredis';
import { sharedRedis } from './shared-redis.ts';

/** Keys of the run's Redis that name this id. */
export async function redisKeys(id: string): Promise<string[]> {
  const redis = new Redis(sharedRedis().url);
  try {
    const keys: string[] = [];
    for await (const page of redis.scanStream({ match: `*${id}*`, count: 1000 })) keys.push(...page.map(String));
    return keys;
  } finally {
    redis.disconnect();
  }
}
