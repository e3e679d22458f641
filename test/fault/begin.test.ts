import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { type FaultyProxy, startProxy } from '../support/proxy.ts';
import { sharedRedis } from '../support/shared-redis.ts';
import { watch } from '../support/watch.ts';

// Property 6 over two replicas, one of which is far from its Redis.

let slow: App;
let quick: App;
let proxy: FaultyProxy;
beforeAll(async () => {
  proxy = await startProxy(sharedRedis().url);
  slow = await startApp({ redis: true, env: { REDIS_URL: proxy.url.replace('http:', 'redis:') } });
  quick = await startApp({ redis: true, beside: slow });
});
afterAll(async () => {
  await quick?.stop();
  await slow?.stop();
  await proxy?.close();
});

describe('whoever is told that a subscription has begun', () => {
  // Guard: the procedure answers when it knows where the subscriber begins (`findEntry`), and not before.
  it('misses nothing that is said from then on', async () => {
    const [near, far] = await Promise.all([quick.trpc('ada'), slow.trpc('ada')]);
    const { id: conversationId } = await near.conversations.create.mutate({});
    await far.system.ping.query();
    proxy.latency = 40;
    try {
      const watched = watch(far, { conversationId });
      await watched.started;
      await near.conversations.rename.mutate({ conversationId, title: 'Renamed at once' });
      const { conversation } = await watched.first('conversation.updated');
      expect(conversation.title).toBe('Renamed at once');
      watched.stop();
    } finally {
      proxy.latency = 0;
    }
  });
});
