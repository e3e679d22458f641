import { PushSource } from '@parley/server/rpc/push';
import { limits } from '@parley/shared/limits';
import { ParleyError } from '@parley/shared/reason';
import { describe, expect, it } from 'vitest';
import { delta, Feed } from './trpc-toy.ts';

function iterate(feed: Feed, signal?: AbortSignal) {
  return new PushSource(feed.subscribe, signal)[Symbol.asyncIterator]();
}

describe('a push source, iterated', () => {
  it('gives tracked events in order, those before the first pull too', async () => {
    const feed = new Feed();
    const events = iterate(feed);
    feed.emit('1', delta('a'));
    feed.emit('2', delta('b'));
    const first = await events.next();
    const second = await events.next();
    const third = events.next();
    feed.emit('3', delta('c'));
    expect([first.value?.[0], second.value?.[0], (await third).value?.[0]]).toEqual(['1', '2', '3']);
    expect(first.value?.[1]).toEqual(delta('a'));
  });

  it('is returned while a pull waits', async () => {
    const feed = new Feed();
    const events = iterate(feed);
    const waiting = events.next();
    await events.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(feed.sinks.size).toBe(0);
  });

  it('ends with its signal, aborted before or while a pull waits', async () => {
    const feed = new Feed();
    const controller = new AbortController();
    const events = iterate(feed, controller.signal);
    const waiting = events.next();
    controller.abort();
    expect((await waiting).done).toBe(true);
    expect((await iterate(feed, controller.signal).next()).done).toBe(true);
    expect(feed.sinks.size).toBe(0);
  });

  it('ends with what the feed ends with, after what was delivered', async () => {
    const feed = new Feed();
    const events = iterate(feed);
    feed.emit('1', delta('a'));
    feed.end(new ParleyError('CONVERSATION_DELETED'));
    expect((await events.next()).done).toBe(false);
    await expect(events.next()).rejects.toMatchObject({ reason: 'CONVERSATION_DELETED' });
    expect((await events.next()).done).toBe(true);
  });

  it('keeps at most 1 MB, then fails with SLOW_CONSUMER and unsubscribes', async () => {
    const feed = new Feed();
    const events = iterate(feed);
    let count = 0;
    while (feed.sinks.size > 0 && count < 100) feed.emit(String(++count), delta('x'.repeat(50_000)));
    expect(count * 50_000).toBeLessThan(limits.subscriberBytes + 100_000);
    await expect(events.next()).rejects.toMatchObject({ reason: 'SLOW_CONSUMER' });
  });

  it('unsubscribes when it is full before it has begun', () => {
    let isStopped = false;
    const source = new PushSource((sink) => {
      new Feed().subscribe(sink);
      sink.end();
      return {
        stop() {
          isStopped = true;
        },
      };
    });
    source[Symbol.asyncIterator]();
    expect(isStopped).toBe(true);
  });

  it('asks its feed to wait while a quarter is unread', async () => {
    const feed = new Feed();
    const events = iterate(feed);
    const [sink] = feed.sinks;
    await sink?.ready();
    for (let i = 0; i < 6; i++) feed.emit(String(i), delta('x'.repeat(50_000)));
    let isReady = false;
    const ready = sink?.ready().then(() => {
      isReady = true;
    });
    await new Promise(setImmediate);
    expect(isReady).toBe(false);
    await events.next();
    await ready;
  });
});

it('a started source stops with its signal, or when it is stopped', () => {
  const feed = new Feed();
  const sink = { event() {}, end() {}, ready: () => Promise.resolve() };
  const controller = new AbortController();
  new PushSource(feed.subscribe).start(sink, controller.signal);
  expect(feed.sinks.size).toBe(1);
  controller.abort();
  expect(feed.sinks.size).toBe(0);
  new PushSource(feed.subscribe).start(sink, controller.signal);
  expect(feed.started).toBe(1);
  new PushSource(feed.subscribe).start(sink).stop();
  expect([feed.started, feed.stopped]).toEqual([2, 2]);
});
