import { HistoryReader } from '@parley/server/history/load';
import { MemoryHistory } from '@parley/server/history/memory';
import { RedisHistory } from '@parley/server/history/redis';
import { newId } from '@parley/shared/id';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { sharedRedis } from '../support/shared-redis.ts';
import { historySuite, message } from './history.ts';

historySuite('history cache in memory', async () => {
  const replicas = [[new MemoryHistory()], [new MemoryHistory()]];
  return {
    replicas,
    async close() {
      for (const [cache] of replicas) await cache?.close();
    },
  };
});

function overRedis() {
  const { url, prefix } = sharedRedis();
  const redis = new Redis(url);
  const errors: unknown[] = [];
  const cache = () => new RedisHistory(redis, { prefix, onError: (error) => errors.push(error) });
  return { redis, prefix, errors, cache };
}

historySuite('history cache in Redis', async () => {
  const { redis, errors, cache } = overRedis();
  return {
    replicas: [[cache()], [cache()]],
    async close() {
      redis.disconnect();
      expect(errors).toEqual([]);
    },
  };
});

historySuite('history cache in memory and Redis', async () => {
  const { redis, errors, cache } = overRedis();
  return {
    replicas: [
      [new MemoryHistory(), cache()],
      [new MemoryHistory(), cache()],
    ],
    async close() {
      redis.disconnect();
      expect(errors).toEqual([]);
    },
  };
});

describe('history cache', () => {
  it('in memory keeps within its bound and drops what was used least recently', async () => {
    const cache = new MemoryHistory(10_000);
    const ids = Array.from({ length: 4 }, () => newId());
    const history = (id: string) => ({ revision: 1, messages: [message(id, 'x'.repeat(2_000))] });
    for (const id of ids.slice(0, 3)) await cache.put(id, history(id));
    await cache.get(ids[0] ?? '');
    await cache.put(ids[3] ?? '', history(ids[3] ?? ''));
    const kept = await Promise.all(ids.map(async (id) => (await cache.get(id)) !== undefined));
    expect(kept).toEqual([true, false, true, true]);
    await cache.put(newId(), { revision: 1, messages: [message(newId(), 'x'.repeat(20_000))] });
    expect(await cache.get(ids[0] ?? '')).toBeDefined();
  });

  it('in Redis answers a broken entry as a miss, and expires', async () => {
    const { redis, prefix, errors, cache } = overRedis();
    const id = newId();
    const shared = cache();
    await shared.put(id, { revision: 7, messages: [] });
    const [key] = await redis.keys(`${prefix}*`);
    expect(await redis.pttl(key ?? '')).toBeGreaterThan(0);
    for (const value of ['{', '{"revision":7}', '[]']) {
      await redis.hset(key ?? '', 'value', value);
      expect(await shared.get(id)).toBeUndefined();
    }
    expect(errors).toHaveLength(3);
    redis.disconnect();
  });

  it('in a Redis that is gone costs nobody more than a load', async () => {
    const redis = new Redis(1, '127.0.0.1', {
      enableOfflineQueue: false,
      retryStrategy: () => null,
      maxRetriesPerRequest: 0,
    });
    redis.on('error', () => {});
    const errors: unknown[] = [];
    const history = { revision: 1, messages: [] };
    const reader = new HistoryReader({
      caches: [new RedisHistory(redis, { onError: (error) => errors.push(error) })],
      load: async () => history,
    });
    const id = newId();
    for (let i = 0; i < 3; i++) expect(await reader.read(id, 1)).toBe(history);
    await reader.extend(id, { before: 1, after: 2 }, []);
    await reader.forget(id);
    expect(errors.length).toBeGreaterThan(3);
    redis.disconnect();
  });
});
