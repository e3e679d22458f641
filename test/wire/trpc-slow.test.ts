import { connect, type Socket } from 'node:net';
import { reasonOf } from '@parley/server/rpc/failure';
import { limits } from '@parley/shared/limits';
import { describe, expect, it } from 'vitest';
import { Line } from './trpc-line.ts';
import { startToy } from './trpc-server.ts';
import { audio, delta } from './trpc-toy.ts';
import { turn, until } from './trpc-until.ts';

/** More than any kernel's buffers and ours take. */
const mostEvents = 2000;

type Toy = Awaited<ReturnType<typeof startToy>>;

/** The server's ends of its connections, in the order in which they came. */
function connections(toy: Toy): Socket[] {
  const sockets: Socket[] = [];
  toy.server.on('connection', (socket) => sockets.push(socket));
  return sockets;
}

describe('a WebSocket subscriber that stops reading', () => {
  it.each(['/trpc', '/trpc/binary'])(
    'on %s costs at most 1 MB, is told SLOW_CONSUMER, and others lose nothing',
    async (path) => {
      await using toy = await startToy();
      const sockets = connections(toy);
      const url = toy.ws.replace('/trpc', path);
      const slow = await Line.open(url);
      const other = await Line.open(url);
      slow.call(1, 'subscription', 'events');
      slow.call(2, 'subscription', 'events');
      other.call(1, 'subscription', 'events');
      await Promise.all([slow.answered(1, 2), other.answered(1)]);
      await other.until(() => toy.feed.sinks.size === 3);
      slow.ws.pause();
      let most = 0;
      let count = 0;
      while (toy.feed.sinks.size > 1 && count < mostEvents) {
        toy.feed.emit(String(++count), audio(new Uint8Array(60_000)));
        most = Math.max(most, sockets[0]?.writableLength ?? 0);
        await other.until((line) => line.of(1).length > count);
      }
      // Errors and a close frame come on top.
      expect(most).toBeGreaterThan(limits.subscriberBytes / 2);
      expect(most).toBeLessThan(limits.subscriberBytes + 8_000);
      expect(toy.failures.map(({ error }) => reasonOf(error))).toEqual(['SLOW_CONSUMER', 'SLOW_CONSUMER']);
      slow.ws.resume();
      expect(await slow.closed).toEqual({ code: 1013, reason: 'SLOW_CONSUMER' });
      for (const id of [1, 2]) {
        expect(slow.failure(id)).toMatchObject({ reason: 'SLOW_CONSUMER', retryable: true });
        // Started, an unbroken run of events, the error, stopped.
        const events = slow.of(id).slice(1, -2);
        expect(events.map(({ result }) => result)).toMatchObject(events.map((_, i) => ({ id: String(i + 1) })));
      }
      expect(other.of(1).length).toBe(count + 1);
      await other.close();
    },
  );

  it('with many subscriptions is told so for each of them, once', async () => {
    await using toy = await startToy();
    const slow = await Line.open(toy.ws);
    const ids = Array.from({ length: limits.socketSubscriptions }, (_, id) => id);
    for (const id of ids) slow.call(id, 'subscription', 'events');
    await slow.answered(...ids);
    slow.ws.pause();
    // Small events fill the place to its brim: the errors come on top of it.
    for (let id = 1; toy.feed.sinks.size > 0 && id < mostEvents; id++) {
      toy.feed.emit(String(id), delta('x'.repeat(1000)));
      await turn();
    }
    slow.ws.resume();
    expect(await slow.closed).toEqual({ code: 1013, reason: 'SLOW_CONSUMER' });
    for (const id of ids) expect(slow.failure(id)).toMatchObject({ reason: 'SLOW_CONSUMER' });
    expect(toy.failures.map(({ error }) => reasonOf(error))).toEqual(ids.map(() => 'SLOW_CONSUMER'));
  });

  it('and does not come back is cut', async () => {
    await using toy = await startToy({ waits: { closeMs: 100 } });
    const sockets = connections(toy);
    const slow = await Line.open(toy.ws);
    slow.call(1, 'subscription', 'events');
    await slow.until((line) => line.of(1).length === 1 && toy.feed.sinks.size === 1);
    slow.ws.pause();
    const cut = new Promise((resolve) => sockets[0]?.on('close', resolve));
    await until(
      () => toy.feed.sinks.size === 0,
      async () => {
        toy.feed.emit('1', delta('x'.repeat(60_000)));
        await turn();
      },
    );
    await cut;
    expect(toy.sockets.size).toBe(0);
    slow.ws.terminate();
  });

  it('is not a slow one while it reads a long answer', async () => {
    await using toy = await startToy();
    const line = await Line.open(toy.ws);
    line.call(1, 'subscription', 'events');
    await line.until(() => toy.feed.sinks.size === 1);
    line.ws.pause();
    line.call(2, 'query', 'large', 20_000_000);
    line.call(3, 'query', 'who');
    await turn();
    for (let i = 0; i < 100; i++) {
      toy.feed.emit(String(i), delta('x'));
      await turn();
    }
    line.ws.resume();
    await line.until((now) => now.of(1).length === 101 && now.of(2).length === 1);
    expect(toy.feed.sinks.size).toBe(1);
    await line.close();
  });

  it('with a long answer unread may ask for no more', async () => {
    await using toy = await startToy();
    const sockets = connections(toy);
    const line = await Line.open(toy.ws);
    line.ws.pause();
    line.call(1, 'query', 'large', 20_000_000);
    await until(() => (sockets[0]?.writableLength ?? 0) >= limits.subscriberBytes);
    line.call(2, 'query', 'large', 2_000_000);
    line.call(3, 'query', 'who');
    line.ws.resume();
    await line.answered(1, 2, 3);
    expect([line.failure(1), line.failure(2), line.failure(3)]).toMatchObject([
      undefined,
      { reason: 'RATE_LIMITED' },
      { reason: 'RATE_LIMITED' },
    ]);
    await line.close();
  });

  it('holds back a plain iterable', async () => {
    await using toy = await startToy();
    const line = await Line.open(toy.ws);
    line.ws.pause();
    line.call(1, 'subscription', 'flood');
    let before = -1;
    while (toy.produced.count !== before && before < mostEvents) {
      before = toy.produced.count;
      for (let i = 0; i < 200; i++) await turn();
    }
    const held = toy.produced.count;
    expect(held).toBeLessThan(1000);
    line.ws.resume();
    await line.until(() => toy.produced.count > held + 10);
    line.ws.terminate();
    await line.closed;
  });
});

describe('what is written to one socket', () => {
  it.each(['/trpc', '/trpc/binary'])('on %s keeps its order and its frames, whoever writes it', async (path) => {
    await using toy = await startToy();
    const line = await Line.open(toy.ws.replace('/trpc', path));
    let pongs = 0;
    line.ws.on('pong', () => pongs++);
    line.call('sub', 'subscription', 'events');
    await line.until(() => toy.feed.sinks.size === 1);
    let event = 0;
    for (let round = 0; round < 30; round++) {
      line.call(round, 'query', 'echo', 'y'.repeat(round * 300));
      line.send('PING');
      line.ws.ping();
      // Several in one tick, small ones copied, large ones by reference.
      for (const size of [1, 10_000, 3]) toy.feed.emit(String(event++), audio(new Uint8Array(size)));
      toy.feed.emit(String(event++), delta('字'.repeat(2000)));
      await line.answered(round);
    }
    await line.until((now) => now.of('sub').length === event + 1 && pongs === 30);
    const ids = line
      .of('sub')
      .slice(1)
      .map(({ result }) => result);
    expect(ids).toMatchObject(Array.from({ length: event }, (_, i) => ({ id: String(i) })));
    expect(line.frames.filter((frame) => frame === 'PONG').length).toBe(30);
    expect(line.messages.filter(({ id }) => typeof id === 'number').map(({ id }) => id)).toEqual([...Array(30).keys()]);
    await line.close();
  });
});

describe('an SSE subscriber that stops reading', () => {
  it('costs at most 1 MB and is cut off, to resume by itself', async () => {
    await using toy = await startToy();
    const sockets = connections(toy);
    const client = connect(Number(new URL(toy.url).port), '127.0.0.1');
    client.on('error', () => {});
    client.write('GET /trpc/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n');
    client.pause();
    await until(() => toy.feed.sinks.size > 0);
    let most = 0;
    for (let id = 1; toy.feed.sinks.size > 0 && id < mostEvents; id++) {
      toy.feed.emit(String(id), delta('x'.repeat(60_000)));
      most = Math.max(most, sockets[0]?.writableLength ?? 0);
      await turn();
    }
    expect(most).toBeGreaterThan(limits.subscriberBytes / 2);
    expect(most).toBeLessThanOrEqual(limits.subscriberBytes + 100);
    await until(() => toy.http.streams === 0);
    client.destroy();
  });
});
