import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { answer, gate } from '../support/provider.ts';
import { type RedisProcess, startRedis } from '../support/redis.ts';
import { redisKeys } from '../support/redis-keys.ts';
import type { Replica } from '../support/replica.ts';
import { type Crew, startCrew } from './crew.ts';
import type { Watcher } from './watcher.ts';

// Property 7: what happens to Redis happens to no conversation. Each test names the guards without which it fails. Of time
// limits there are two, the log's and the connection's, and either is enough here; that a renewed subscription counts as a
// loss, and that others catch up within two seconds, is tested on the log itself, in test/suite/live-redis-fault.test.ts.

let redis: RedisProcess;
let crew: Crew;
let near: Replica;
let far: Replica;
let conversationId: string;
let watchers: Watcher[];

beforeEach(async () => {
  redis = await startRedis();
  crew = await startCrew({ redisUrl: redis.url, model: 'echo:4:5' });
  [near, far] = await Promise.all([crew.start(), crew.start()]);
  conversationId = await crew.conversation(near);
  watchers = await Promise.all([near, far].map((replica) => crew.watch(conversationId, [replica])));
});
afterEach(async () => {
  await crew.stop();
  await redis.stop();
});

/** A turn that something happens in the middle of; answers when all subscribers know how it ended. */
async function turnWith(happening: () => unknown): Promise<void> {
  const hold = gate();
  crew.provider.script(answer('Before. ', hold, 'After. ', 'And on.'));
  const message = crew.message(conversationId);
  await message.to(near);
  await Promise.all(watchers.map((watcher) => watcher.find(({ type }) => type === 'agent.delta')));
  await happening();
  hold.release();
  await Promise.all(watchers.map((watcher) => watcher.end(message.turnId)));
}

async function turn(replica: Replica, text: string): Promise<void> {
  const message = crew.message(conversationId, text, { onBusy: 'queue' });
  await message.to(replica);
  await Promise.all(watchers.map((watcher) => watcher.end(message.turnId)));
}

async function command(...words: string[]): Promise<void> {
  const { Redis } = await import('ioredis');
  const client = new Redis(redis.url);
  await client.call(words[0] ?? 'PING', ...words.slice(1));
  client.disconnect();
}

describe('Redis', () => {
  it('flushed in mid-answer: subscribers of both replicas end equal to Postgres (guard: who sees a new epoch reads it)', async () => {
    await turnWith(() => command('FLUSHALL'));
    await turn(far, 'after it');
    await crew.judge();
  });

  it('killed in mid-answer, and back without its data: the same (guard: what went on in memory is begun anew in Redis)', {
    timeout: 60_000,
  }, async () => {
    await turnWith(async () => {
      redis.kill('SIGKILL');
      await redis.exited;
      redis = await startRedis({ port: redis.port });
    });
    await turn(far, 'after it');
    await turn(near, 'and once more');
    await crew.judge();
  });

  it('silent: sends answer within a second, their own replica streams on, the other one catches up (guards: time limits; the log in memory)', {
    timeout: 60_000,
  }, async () => {
    const [own, other] = watchers;
    await turn(near, 'before it');
    redis.kill('SIGSTOP');
    const times: number[] = [];
    const messages = [];
    for (let i = 0; i < 5; i++) {
      const message = crew.message(conversationId, `without it ${i}`, { onBusy: 'queue' });
      const from = performance.now();
      await message.to(near);
      times.push(performance.now() - from);
      messages.push(message);
      await own?.end(message.turnId);
    }
    // One that is held up by the machine proves nothing.
    expect(times.toSorted((a, b) => a - b)[2]).toBeLessThan(1_000);
    const streamed = own?.events.filter(({ data }) => data.type === 'turn.completed') ?? [];
    expect(streamed).toHaveLength(6);
    redis.kill('SIGCONT');
    const from = performance.now();
    for (const message of messages) await other?.end(message.turnId);
    expect(performance.now() - from).toBeLessThan(10_000);
    await turn(far, 'after it');
    await crew.judge();
  });

  it('that freezes and thaws again and again loses nothing (guards: the log in memory, begun anew in Redis)', {
    timeout: 60_000,
  }, async () => {
    let over = false;
    const weather = (async () => {
      while (!over) {
        redis.kill('SIGSTOP');
        await pause(500);
        redis.kill('SIGCONT');
        await pause(300);
      }
    })();
    for (let i = 0; i < 6; i++) await turn(i % 2 === 0 ? near : far, `storm ${i}`);
    over = true;
    await weather;
    await turn(near, 'calm');
    await crew.judge();
  });

  it('gone while nobody asks anything of it: a replica is not ready, until it is back (guard: readiness asks Redis itself)', async () => {
    const ready = async () => (await fetch(`${near.url}/readyz`)).status;
    expect(await ready()).toBe(200);
    redis.kill('SIGKILL');
    await redis.exited;
    await expect.poll(ready).toBe(503);
    redis = await startRedis({ port: redis.port });
    await expect.poll(ready, { timeout: 10_000 }).toBe(200);
  });

  it('silent while a conversation is deleted: that is answered, and done when it is back (guards: a deletion does not fail of what can be finished later; the sweep tells before it erases)', {
    timeout: 60_000,
  }, async () => {
    const [own, other] = watchers;
    await turn(near, 'heirloom');
    expect(await redisKeys(conversationId, redis.url)).not.toEqual([]);
    redis.kill('SIGSTOP');
    const client = await crew.client(near);
    expect(await client.conversations.delete.mutate({ conversationId })).toEqual({ deleted: true });
    await own?.find(({ type }) => type === 'conversation.deleted');
    redis.kill('SIGCONT');
    await other?.find(({ type }) => type === 'conversation.deleted');
    await expect.poll(() => redisKeys(conversationId, redis.url)).toEqual([]);
  });
});
