import { getEventListeners, once } from 'node:events';
import { request } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, expect, it, vi } from 'vitest';
import { Line } from './trpc-line.ts';
import { startToy, toyContext } from './trpc-server.ts';
import { delta } from './trpc-toy.ts';
import { turn, until } from './trpc-until.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** Sockets and servers that are open in this process. */
function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length;
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}

/** An SSE response being read, on a connection of its own. */
async function stream(url: string) {
  const req = request(url, { agent: false, headers: { accept: 'text/event-stream' } });
  req.on('error', () => {});
  req.end();
  const [res] = await once(req, 'response');
  res.on('error', () => {});
  res.resume();
  return req;
}

it('closing leaves no timer, socket or listener, however connections ended', async () => {
  const before = openSockets();
  const set = vi.spyOn(globalThis, 'setInterval');
  const cleared = vi.spyOn(globalThis, 'clearInterval');
  const toy = await startToy();
  const upgrades = toy.server.listenerCount('upgrade');
  const lines = await Promise.all(Array.from({ length: 12 }, () => Line.open(toy.ws)));
  const waiting = await Line.open(`${toy.ws}?connectionParams=1`);
  for (const line of lines) {
    line.call(1, 'subscription', 'events');
    line.call(2, 'subscription', 'endless');
    line.call(3, 'query', 'hold');
    line.call(4, 'query', 'who');
  }
  await Promise.all(lines.map((line) => line.answered(1, 2, 4)));
  const streams = await Promise.all(['events', 'endless', 'events'].map((path) => stream(`${toy.url}/${path}`)));
  toy.feed.emit('1', delta('a'));
  lines[0]?.ws.close();
  lines[1]?.ws.terminate();
  lines[2]?.send({ id: 1, method: 'subscription.stop' });
  streams[0]?.destroy();
  await toy[Symbol.asyncDispose]();
  await Promise.all([...lines, waiting].map((line) => line.closed));
  for (const req of streams) req.destroy();
  expect(toy.feed.sinks.size).toBe(0);
  expect(toy.feed.stopped).toBe(toy.feed.started);
  expect(toy.held.every(({ signal }) => signal?.aborted)).toBe(true);
  expect(toy.server.listenerCount('upgrade')).toBe(upgrades - 1);
  expect([toy.sockets.size, toy.http.streams]).toEqual([0, 0]);
  const timers = set.mock.results.map(({ value }) => value);
  expect(timers.length).toBeGreaterThan(1);
  expect(cleared.mock.calls.map(([timer]) => timer)).toEqual(expect.arrayContaining(timers));
  for (const call of toy.held) call.release();
  await until(() => openSockets() === before);
});

it('an iterator is returned, so that its clean-up runs, when it is stopped and when its client is gone', async () => {
  await using toy = await startToy();
  const line = await Line.open(toy.ws);
  for (const id of [1, 2]) line.call(id, 'subscription', 'flood');
  await line.until((now) => now.of(1).length > 1 && now.of(2).length > 1);
  line.send({ id: 1, method: 'subscription.stop' });
  await line.until((now) => JSON.stringify(now.of(1).at(-1)).includes('stopped'));
  expect(toy.produced.ended).toBe(1);
  await line.close();
  await until(() => toy.produced.ended === 2);
  const req = await stream(`${toy.url}/flood`);
  req.destroy();
  await until(() => toy.produced.ended === 3);
});

it('a connection that is gone keeps nothing of itself alive', async () => {
  const contexts: WeakRef<object>[] = [];
  await using toy = await startToy({
    context: async (options) => {
      const ctx = await toyContext(options);
      contexts.push(new WeakRef(ctx));
      return ctx;
    },
  });
  for (let i = 0; i < 5; i++) {
    const line = await Line.open(toy.ws);
    line.call(1, 'subscription', 'events');
    line.call(2, 'subscription', 'count', { to: 3 });
    await line.answered(1, 2);
    await line.close();
    const req = await stream(`${toy.url}/events`);
    req.destroy();
  }
  await until(() => toy.sockets.size + toy.http.streams === 0);
  expect(contexts.length).toBe(10);
  for (let i = 0; i < 50 && contexts.some((ref) => ref.deref()); i++) {
    await turn();
    collectGarbage();
  }
  expect(contexts.filter((ref) => ref.deref()).length).toBe(0);
});

it('subscribing and stopping again and again on one socket gathers nothing', async () => {
  await using toy = await startToy();
  const line = await Line.open(toy.ws);
  line.call('first', 'query', 'who');
  await line.answered('first');
  const [socket] = toy.connections;
  if (!socket) throw new Error('no connection');
  const count = () =>
    socket.eventNames().reduce((sum, name) => sum + getEventListeners(socket, String(name)).length, 0);
  const before = count();
  for (let id = 0; id < 100; id++) {
    line.call(id, 'subscription', 'events');
    line.send({ id, method: 'subscription.stop' });
    await line.until((now) => now.of(id).length >= 1 && toy.feed.sinks.size === 0);
  }
  expect(count()).toBe(before);
  expect(toy.feed.stopped).toBe(toy.feed.started);
  await line.close();
});
