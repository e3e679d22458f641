import { Encoded } from '@parley/server/live/encode';
import { eventId } from '@parley/server/live/id';
import { Fenced } from '@parley/server/live/port';
import { newId } from '@parley/shared/id';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RedisProcess, startRedis } from '../support/redis.ts';
import { type RedisBench, redisBench } from './live-redis.ts';
import { note, type Replica, Story, Watcher } from './live-story.ts';

const prefix = 'test:';

describe('event log in a Redis that fails', () => {
  let redis: RedisProcess;
  let bench: RedisBench;
  let here: Replica;
  let there: Replica;
  let id: string;
  let story: Story;
  let own: Watcher;
  let other: Watcher;
  beforeEach(async () => {
    redis = await startRedis();
    bench = await redisBench(redis.url, { prefix, timeoutMs: 400 });
    [here, there] = bench.replicas;
    id = newId();
    story = new Story(here.log, id);
    own = here.watch(id);
    other = there.watch(id);
    await story.begin();
    await story.tell(3);
    await both();
  });
  afterEach(async () => {
    here.feed.endAll();
    there.feed.endAll();
    await bench.close();
    await redis.stop();
  });

  async function both(): Promise<void> {
    for (const watcher of [own, other]) {
      await watcher.until(({ text }) => text.length >= story.text.length);
      expect(watcher.text).toBe(story.text);
    }
  }

  async function timed(work: () => Promise<unknown>): Promise<number> {
    const start = performance.now();
    await work();
    return performance.now() - start;
  }

  it('flushed in mid-turn: goes on in a new epoch, and a late subscriber gets the whole answer', async () => {
    await bench.admin.flushall();
    await story.tell(2);
    await both();
    // Whoever had seen everything has lost nothing.
    expect(own.gaps + other.gaps).toBe(0);
    const late = there.watch(id);
    await late.until(({ text }) => text === story.text);
    expect(late.types).toEqual(['gap']);
    await story.end();
    for (const watcher of [own, other, late]) await watcher.until(({ types }) => types.at(-1) === 'turn.completed');
  });

  it('flushed, and looked at by someone before the turn goes on: nobody goes on without the beginning', async () => {
    await bench.admin.flushall();
    expect((await there.log.head(id)).running).toBeNull();
    const early = there.watch(id);
    await story.tell();
    await both();
    await early.until(({ text }) => text === story.text);
    expect((await here.log.head(id)).running?.bubbles).toEqual([story.text]);
  });

  it('holds an event that only a newer build knows: it is passed on like any other (guard: a type is a name)', async () => {
    const type = 'agent.mood';
    const events = [Encoded.stored(type, JSON.stringify({ type, conversationId: id, at: 0 }), [])];
    await here.log.append({ conversationId: id, events });
    await story.tell(2);
    await both();
    await other.until(({ types }) => types.includes(type));
    expect([own.gaps + other.gaps, there.log.healthy()]).toEqual([0, true]);
    await story.end();
  });

  it('flushed twice: who joined a log that knew no turn does not go on without the beginning (guard: what a new log follows)', async () => {
    await bench.admin.flushall();
    const { epoch } = await here.log.head(id);
    const early = here.watch(id, eventId(epoch, 0));
    for (let i = 1; i <= 4; i++) {
      await here.log.append(note(id));
      await early.until(({ seen }) => seen.length === i);
    }
    await bench.admin.flushall();
    await story.tell();
    await early.until(({ text }) => text !== '');
    expect(early.text).toBe(story.text);
  });

  it('has evicted the text of the answer: does not take it for empty (guard: the length of the text)', async () => {
    await bench.admin.del(`${prefix}{${id}}:text`);
    await story.tell();
    await both();
    expect((await there.log.head(id)).running?.bubbles).toEqual([story.text]);
  });

  it('comes back with a copy of the past: numbers no event twice (guard: what is known to have been)', async () => {
    const keys = await bench.admin.keys('*');
    const past = await Promise.all(keys.map((key) => bench.admin.dumpBuffer(key)));
    await story.tell(2);
    await both();
    for (const [i, key] of keys.entries()) await bench.admin.restore(key, 60_000, past[i] ?? '', 'REPLACE');
    await story.tell();
    await both();
    expect(bench.losses).toEqual([]);
    const late = there.watch(id, own.ids.at(-1));
    await story.end();
    for (const watcher of [own, other, late]) await watcher.until(({ types }) => types.at(-1) === 'turn.completed');
  });

  it('stopped: appends answer within a second, its own subscribers go on, the others catch up within two of its return', async () => {
    redis.kill('SIGSTOP');
    expect(await timed(() => story.tell())).toBeLessThan(1_000);
    expect(here.log.healthy()).toBe(false);
    for (let i = 0; i < 20; i++) await story.tell();
    await own.until(({ text }) => text === story.text);
    expect(own.gaps).toBe(0);
    const late = here.watch(id);
    const resumed = here.watch(id, own.ids[2]);
    for (const watcher of [late, resumed]) await watcher.until(({ text }) => text === story.text);
    redis.kill('SIGCONT');
    expect(await timed(() => other.until(({ text }) => text === story.text))).toBeLessThan(2_000);
    await story.tell();
    await story.end();
    for (const watcher of [own, other, late, resumed]) {
      await watcher.until(({ types }) => types.at(-1) === 'turn.completed');
      expect(watcher.text).toBe(story.text);
    }
    expect(here.log.healthy()).toBe(true);
  });

  it('stopped while both replicas append: each one sees what the other did', async () => {
    redis.kill('SIGSTOP');
    await Promise.all([story.tell(2), there.log.append(note(id))]);
    await own.until(({ text }) => text === story.text);
    redis.kill('SIGCONT');
    await both();
    // What the other replica appended alone is in no log any more; a gap stands in for it.
    await own.until(({ types, gaps }) => gaps > 0 || types.includes('conversation.ended'));
    await story.tell();
    await both();
  });

  it('lost to one replica only: it does not go on past what another has appended meanwhile (guard: what a new epoch follows)', async () => {
    bench.connections[0].command.disconnect(true);
    await story.tell();
    await own.until(({ text }) => text === story.text);
    await there.log.append(note(id));
    // As an event when Redis was back before, else as a gap.
    await own.until(({ types, gaps }) => gaps > 0 || types.includes('conversation.ended'));
    await story.tell();
    await both();
  });

  it('stopped when a turn ends: a stale owner is still kept out after its return (guard: ends are carried over)', async () => {
    redis.kill('SIGSTOP');
    const successor = story.takeOver(here.log);
    await successor.tell();
    await successor.end();
    redis.kill('SIGCONT');
    await other.until(({ gaps }) => gaps > 0);
    const stale = new Story(there.log, id, story.turnId);
    await expect(stale.tell()).rejects.toThrow(Fenced);
    expect((await there.log.head(id)).running).toBeNull();
  });

  it('killed and started again empty: subscribers end with the same story', async () => {
    await redis.stop();
    for (let i = 0; i < 5; i++) await story.tell();
    await own.until(({ text }) => text === story.text);
    redis = await startRedis({ port: redis.port });
    await both();
    await story.tell();
    await story.end();
    for (const watcher of [own, other]) {
      await watcher.until(({ types }) => types.at(-1) === 'turn.completed');
      expect(watcher.text).toBe(story.text);
    }
  });

  it('closes the connections of subscribers: they read what they have missed (guard: a renewed subscription is a loss)', async () => {
    for (let round = 0; round < 3; round++) {
      await bench.admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      // The last of these may be published while nobody listens.
      await story.tell();
      await both();
    }
    expect(own.gaps + other.gaps).toBe(0);
  });

  it('is not there at the start: conversations go on without it and move to it when it comes', async () => {
    const { port } = redis;
    await redis.stop();
    const alone = await redisBench(`redis://127.0.0.1:${port}`, { prefix, timeoutMs: 400 });
    const [replica] = alone.replicas;
    const tale = new Story(replica.log, newId());
    await tale.begin();
    await tale.tell();
    const watcher = replica.watch(tale.conversationId);
    await watcher.until(({ text }) => text === tale.text);
    redis = await startRedis({ port });
    const next = alone.replicas[1].watch(tale.conversationId, eventId(1_700_000_000_000_000, 1));
    await next.until(({ text }) => text === tale.text);
    await tale.tell();
    for (const each of [watcher, next]) await each.until(({ text }) => text === tale.text);
    for (const each of alone.replicas) each.feed.endAll();
    await alone.close();
  });

  it('forgets nothing of its duty to forget: every key expires, and none is left of an erased conversation', async () => {
    await story.end();
    const keys = await bench.admin.keys('*');
    expect(keys.length).toBeGreaterThan(2);
    for (const key of keys) expect(await bench.admin.pttl(key)).toBeGreaterThan(0);
    await here.log.append(note(id, 'conversation.deleted'));
    for (const watcher of [own, other]) await watcher.until(({ over }) => over);
    await here.log.forget(id);
    expect(await bench.admin.keys('*')).toEqual([]);
    const late = new Watcher();
    there.feed.subscribe(id, own.ids[0], late, async () => 'deleted');
    await late.until(({ over }) => over);
    expect(await bench.admin.keys('*')).toEqual([]);
    redis.kill('SIGSTOP');
    await expect(here.log.forget(id)).rejects.toThrow();
    redis.kill('SIGCONT');
  });

  it('keeps a conversation within its bytes', async () => {
    await bench.close();
    bench = await redisBench(redis.url, { prefix, timeoutMs: 10_000, maxBytes: 64 * 1024 });
    [here, there] = bench.replicas;
    const long = new Story(here.log, newId());
    const { epoch } = await long.begin();
    for (let i = 0; i < 600; i++) await long.tell(4);
    expect(await there.log.read(long.conversationId, { epoch, seq: 1 }, 9)).toBe('gone');
    const { seq } = await there.log.head(long.conversationId);
    expect(await there.log.read(long.conversationId, { epoch, seq: seq - 40 }, 99)).toHaveLength(10);
    expect(await bench.admin.memory('USAGE', `${prefix}{${long.conversationId}}:stream`)).toBeLessThan(160 * 1024);
  });
});
