import { once } from 'node:events';
import { createServer } from 'node:http';
import { encodeFrame } from '@parley/shared/frame';
import { applyWSSHandler } from '@trpc/server/adapters/ws';
import { describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { Line } from './trpc-line.ts';
import { startToy, toyContext } from './trpc-server.ts';
import { audio, delta, Feed, toyRouter } from './trpc-toy.ts';

/** The same router on the stock adapter, which is the reference for everything that is not a limit. */
async function startStock() {
  const feed = new Feed();
  const { router } = toyRouter(feed);
  const server = createServer();
  const wss = new WebSocketServer({ server });
  const handler = applyWSSHandler({
    wss,
    router,
    createContext: ({ req, info }) => toyContext({ req, connectionParams: info.connectionParams }),
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  return {
    feed,
    ws: `ws://127.0.0.1:${port}`,
    reconnect: () => handler.broadcastReconnectNotification(),
    async [Symbol.asyncDispose]() {
      for (const client of wss.clients) client.terminate();
      server.close();
      await once(server, 'close');
    },
  };
}

interface Side {
  feed: Feed;
  ws: string;
  reconnect(): void;
}

/** Runs one script against both servers, and gives the frames of each, by request id: those of one id are in order. */
async function both(script: (side: Side) => Promise<Line>): Promise<[Map<unknown, string[]>, Map<unknown, string[]>]> {
  await using stock = await startStock();
  await using toy = await startToy();
  const theirs = await script(stock);
  const ours = await script({ feed: toy.feed, ws: toy.ws, reconnect: () => toy.sockets.broadcastReconnect() });
  return [byId(theirs), byId(ours)];
}

/** Texts are compared with their field order, but as a parser sees them: an escape more or less is no difference. */
function byId(line: Line): Map<unknown, string[]> {
  const groups = new Map<unknown, string[]>();
  for (const frame of line.frames) {
    const text = String(frame).replace(/"traceId":"[^"]*"/, '"traceId":"trace"');
    const message: unknown = text === 'PONG' ? text : JSON.parse(text);
    const id = typeof message === 'object' && message !== null && 'id' in message ? message.id : undefined;
    groups.set(id, [...(groups.get(id) ?? []), JSON.stringify(message)]);
  }
  return new Map([...groups].sort(([a], [b]) => String(a).localeCompare(String(b))));
}

/** `script` on an open line. */
function on(script: (line: Line, side: Side) => Promise<void>, params?: Record<string, string>) {
  return async (side: Side): Promise<Line> => {
    const line = await Line.open(side.ws, params ? { params } : {});
    await script(line, side);
    return line;
  };
}

const isStopped = (id: unknown) => (line: Line) => line.of(id).some((message) => isResult(message, 'stopped'));
const isStarted = (id: unknown) => (line: Line) => line.of(id).some((message) => isResult(message, 'started'));

function isResult({ result }: Record<string, unknown>, type: string): boolean {
  return typeof result === 'object' && result !== null && 'type' in result && result.type === type;
}

describe('frames equal those of the stock adapter', () => {
  it.each<[string, (side: Side) => Promise<Line>]>([
    [
      'queries, mutations and their errors',
      on(async (line) => {
        line.call(1, 'query', 'echo', { deep: [1, null, 'ü'] });
        line.call('two', 'mutation', 'add', { a: 1, b: 2 });
        line.call(3, 'query', 'when');
        line.call(4, 'query', 'fail');
        line.call(5, 'query', 'crash');
        line.call(6, 'mutation', 'add', { a: 'x' });
        line.call(7, 'query', 'nowhere');
        line.call(8, 'mutation', 'echo', 1);
        line.call(9, 'query', 'stream');
        line.send({ id: 10, jsonrpc: '2.0', method: 'query', params: { path: 'echo', input: { json: 1 } } });
        await line.answered(1, 'two', 3, 4, 5, 6, 7, 8, 9, 10);
      }),
    ],
    [
      'superjson on input and output',
      on(async (line) => {
        const input = {
          json: { at: '1970-01-01T00:00:00.000Z', gone: null },
          meta: { values: { at: ['Date'], gone: ['undefined'] } },
        };
        line.send({ id: 1, method: 'query', params: { path: 'echo', input } });
        await line.answered(1);
      }),
    ],
    [
      'a subscription that ends, resumed from an id and not',
      on(async (line) => {
        line.call(1, 'subscription', 'count', { to: 3 });
        line.send({
          id: 2,
          method: 'subscription',
          params: { path: 'count', input: { json: { to: 3 } }, lastEventId: '2' },
        });
        line.call(3, 'subscription', 'plain');
        await line.until((now) => [1, 2, 3].every((id) => isStopped(id)(now)));
      }),
    ],
    [
      'subscriptions that fail before and after they started',
      on(async (line) => {
        line.call(1, 'subscription', 'refused');
        line.call(2, 'subscription', 'breaks');
        line.call(3, 'subscription', 'nowhere');
        line.call(4, 'subscription', 'echo', 1);
        line.call(5, 'subscription', 'count', { to: 'x' });
        await line.answered(1, 3, 4, 5);
        await line.until(isStopped(2));
      }),
    ],
    [
      'stopping, a duplicate id, and the id used again',
      on(async (line) => {
        line.call(1, 'subscription', 'endless');
        await line.until((now) => now.of(1).length === 2);
        line.call(1, 'subscription', 'endless');
        await line.until((now) => now.of(1).length === 3);
        line.send({ id: 99, method: 'subscription.stop' });
        line.send({ id: 1, method: 'subscription.stop' });
        await line.until(isStopped(1));
        line.call(1, 'subscription', 'count', { to: 1 });
        await line.until((now) => now.of(1).filter((message) => isResult(message, 'stopped')).length === 2);
      }),
    ],
    [
      'pushed events, in text that an encoder must escape, and the end of the source',
      on(async (line, { feed }) => {
        line.call(1, 'subscription', 'events');
        line.send({ id: 'ü"2', jsonrpc: '2.0', method: 'subscription', params: { path: 'events' } });
        await line.until((now) => isStarted(1)(now) && isStarted('ü"2')(now) && feed.sinks.size === 2);
        feed.emit('0-1', delta('a "quoted" 字\n\u2028'));
        feed.emit('0-2', delta('x'.repeat(5000)));
        feed.emit('0-3', delta('y'.repeat(70_000)));
        feed.end();
        await line.until((now) => isStopped(1)(now) && isStopped('ü"2')(now));
      }),
    ],
    [
      'pushed events stopped by the client, and by an error',
      on(async (line, { feed }) => {
        line.call(1, 'subscription', 'events');
        await line.until((now) => isStarted(1)(now) && feed.sinks.size === 1);
        feed.emit('0-1', delta('a'));
        await line.until((now) => now.of(1).length === 2);
        line.send({ id: 1, method: 'subscription.stop' });
        await line.until(isStopped(1));
        line.call(2, 'subscription', 'events');
        await line.until((now) => isStarted(2)(now) && feed.sinks.size === 1);
        feed.end(new Error('secret'));
        await line.until(isStopped(2));
      }),
    ],
    [
      'several calls in one frame, PING, and frames that cannot be read',
      on(async (line) => {
        line.send([
          { id: 1, method: 'query', params: { path: 'echo', input: { json: 1 } } },
          { id: 2, method: 'query', params: { path: 'fail' } },
        ]);
        line.send('PING');
        line.send('PONG');
        await line.answered(1, 2);
        line.send('{"id":');
        await line.until((now) => now.of(null).length === 1);
        line.send({ id: 3, method: 'nothing', params: {} });
        await line.until((now) => now.of(null).length === 2);
        line.send({ id: 4, jsonrpc: '1.0', method: 'query', params: { path: 'echo' } });
        await line.until((now) => now.of(null).length === 3);
        line.send({ id: null, method: 'query', params: { path: 'who' } });
        await line.until((now) => now.of(null).length === 4);
        line.send([]);
        line.send('7');
        await line.until((now) => now.of(null).length === 5);
        line.ws.send(Buffer.from([0, 0]));
        await line.until((now) => now.of(null).length === 6 && now.frames.includes('PONG'));
      }),
    ],
    [
      'connection parameters',
      on(
        async (line) => {
          line.call(1, 'query', 'who');
          await line.answered(1);
        },
        { token: 'ann' },
      ),
    ],
    [
      'a refused context: its error, the errors of calls that waited for it, and the close',
      on(
        async (line) => {
          line.call(1, 'query', 'who');
          line.call(2, 'subscription', 'events');
          expect((await line.closed).code).toBe(1005);
        },
        { token: 'bad' },
      ),
    ],
    [
      'connection parameters that are none',
      async ({ ws }) => {
        const line = await Line.open(`${ws}?connectionParams=1`);
        line.send({ method: 'connectionParams', data: { token: 7 } });
        expect((await line.closed).code).toBe(1005);
        return line;
      },
    ],
    [
      'the notice to connect again',
      on(async (line, side) => {
        line.call(1, 'query', 'who');
        await line.answered(1);
        side.reconnect();
        await line.answered(null);
      }),
    ],
  ])('%s', async (_name, script) => {
    const [theirs, ours] = await both(script);
    expect(theirs.size).toBeGreaterThan(0);
    expect(ours).toEqual(theirs);
  });
});

describe('bytes', () => {
  it('are base64 text on /trpc', async () => {
    await using toy = await startToy();
    const line = await Line.open(toy.ws);
    line.call(1, 'subscription', 'events');
    await line.until(() => toy.feed.sinks.size === 1);
    toy.feed.emit('1', audio(Uint8Array.of(1, 2, 3)));
    await line.until((now) => now.of(1).length === 2);
    expect(line.of(1)[1]).toMatchObject({ result: { data: { json: { data: { data: 'AQID' } } } } });
    line.send({
      id: 2,
      method: 'mutation',
      params: {
        path: 'voice.sendSegment',
        input: { json: { data: 'AQID' }, meta: { values: { data: [['custom', 'bytes']] } } },
      },
    });
    await line.answered(2);
    expect(line.of(2)).toEqual([{ id: 2, result: { type: 'data', data: { json: 3 } } }]);
    await line.close();
  });

  it('are bytes on /trpc/binary, small and large, in and out', async () => {
    await using toy = await startToy();
    const line = await Line.open(`${toy.ws}/binary`);
    line.call(1, 'subscription', 'events');
    await line.until(() => toy.feed.sinks.size === 1);
    for (const [index, size] of [3, 16_384, 100_000].entries()) {
      const data = new Uint8Array(size).fill(size % 251);
      toy.feed.emit(String(index), audio(data));
      await line.until((now) => now.of(1).length === index + 2);
      expect(line.of(1)[index + 1]).toMatchObject({
        result: { data: { json: { data: { data: Buffer.from(data) } } } },
      });
      expect(line.frames.at(-1)).toBeInstanceOf(Buffer);
    }
    const data = new Uint8Array(600_000).fill(7);
    line.send(
      encodeFrame({ id: 2, method: 'mutation', params: { path: 'voice.sendSegment', input: { json: { data } } } }),
    );
    await line.answered(2);
    expect(line.of(2)).toEqual([{ id: 2, result: { type: 'data', data: { json: 600_000 } } }]);
    await line.close();
  });
});
