import { once } from 'node:events';
import { connect } from 'node:net';
import type { CredentialListener } from '@parley/server/rpc/transport';
import { encodeFrame } from '@parley/shared/frame';
import { limits } from '@parley/shared/limits';
import { ParleyError, type Reason } from '@parley/shared/reason';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { Line } from './trpc-line.ts';
import { startToy } from './trpc-server.ts';
import { delta, type ToyContext } from './trpc-toy.ts';

const segment = (id: number, data: string) => ({
  id,
  method: 'mutation',
  params: { path: 'voice.sendSegment', input: { json: { data }, meta: { values: { data: [['custom', 'bytes']] } } } },
});

describe('one message', () => {
  it('over 256 KB is refused by id, and the socket goes on', async () => {
    await using toy = await startToy();
    const line = await Line.open(toy.ws);
    line.call(1, 'query', 'echo', 'x'.repeat(limits.messageBytes));
    line.call(2, 'query', 'echo', 'x'.repeat(limits.messageBytes - 200));
    await line.answered(1, 2);
    expect(line.failure(1)).toMatchObject({ reason: 'PAYLOAD_TOO_LARGE', httpStatus: 413, path: 'echo' });
    expect(line.failure(2)).toBeUndefined();
    await line.close();
  });

  it('of an audio procedure may have 7 MB, unless something else comes with it', async () => {
    await using toy = await startToy();
    const line = await Line.open(toy.ws);
    const data = 'A'.repeat(4 * 1024 * 1024);
    line.send(segment(1, data));
    line.send([segment(2, data), { id: 3, method: 'query', params: { path: 'who' } }]);
    line.send(segment(4, 'A'.repeat(limits.audioMessageBytes)));
    await line.answered(1, 2, 3, null);
    expect(line.of(1)).toMatchObject([{ result: { data: { json: 3 * 1024 * 1024 } } }]);
    expect([line.failure(2), line.failure(3), line.failure(null)]).toMatchObject([
      { reason: 'PAYLOAD_TOO_LARGE' },
      { reason: 'PAYLOAD_TOO_LARGE' },
      { reason: 'PAYLOAD_TOO_LARGE' },
    ]);
    await line.close();
  });

  it('beyond that closes the socket while it is read', async () => {
    await using toy = await startToy();
    const line = await Line.open(toy.ws);
    line.send(segment(1, 'A'.repeat(limits.audioMessageBytes + 128 * 1024)));
    expect((await line.closed).code).toBe(1009);
  });

  it('that is large and made of many small values is refused without being parsed', async () => {
    await using toy = await startToy();
    const line = await Line.open(toy.ws);
    const dense = `[${'1,'.repeat(300_000)}1]`;
    line.send(`{"id":1,"method":"mutation","params":{"path":"voice.sendSegment","input":{"json":${dense}}}}`);
    await line.answered(null);
    expect(line.failure(null)).toMatchObject({ reason: 'PAYLOAD_TOO_LARGE' });
    await line.close();
  });

  it('as a binary frame of text procedures is held to 256 KB too', async () => {
    await using toy = await startToy();
    const line = await Line.open(`${toy.ws}/binary`);
    const data = new Uint8Array(limits.messageBytes);
    line.send(encodeFrame({ id: 1, method: 'query', params: { path: 'echo', input: { json: { data } } } }));
    await line.answered(1);
    expect(line.failure(1)).toMatchObject({ reason: 'PAYLOAD_TOO_LARGE' });
    await line.close();
  });

  it('may hold ten calls; eleven are each refused', async () => {
    await using toy = await startToy();
    const line = await Line.open(toy.ws);
    const calls = (count: number, from: number) =>
      Array.from({ length: count }, (_, i) => ({ id: from + i, method: 'query', params: { path: 'who' } }));
    line.send(calls(10, 0));
    line.send(calls(11, 100));
    const ids = calls(11, 100).map(({ id }) => id);
    await line.answered(9, ...ids);
    expect(line.failure(9)).toBeUndefined();
    for (const id of ids) expect(line.failure(id)).toMatchObject({ reason: 'INVALID_INPUT', code: 'BAD_REQUEST' });
    await line.close();
  });

  // Guard: a frame's subscriptions are counted by themselves, up to what a socket may hold.
  it('may hold as many subscriptions as a socket, whatever becomes of the calls beside them', async () => {
    await using toy = await startToy();
    const line = await Line.open(toy.ws);
    const of = (method: string, path: string, count: number) =>
      Array.from({ length: count }, (_, i) => ({ id: `${method} ${i}`, method, params: { path } }));
    line.send([...of('query', 'who', 11), ...of('subscription', 'events', limits.socketSubscriptions + 1)]);
    const last = `subscription ${limits.socketSubscriptions}`;
    await line.answered('query 0', 'query 10', last);
    await line.until(() => toy.feed.sinks.size === limits.socketSubscriptions);
    expect(line.failure(last)).toMatchObject({ reason: 'TOO_MANY_SUBSCRIPTIONS', retryable: true });
    expect(line.failure('query 0')).toMatchObject({ reason: 'INVALID_INPUT' });
    await line.close();
  });

  it.each(['query', 'subscription'])(
    'with thousands of one %s is not answered with thousands of errors',
    async (method) => {
      await using toy = await startToy();
      const line = await Line.open(toy.ws);
      const params = { path: 'refused' };
      line.send(Array.from({ length: 3500 }, (_, id) => ({ id, method, params })));
      line.call('last', 'query', 'who');
      await line.answered('last');
      expect(line.messages.length).toBeGreaterThan(100);
      expect(line.messages.length).toBeLessThanOrEqual(101 + limits.socketSubscriptions);
      await line.close();
    },
  );

  it('may be 32 levels deep', async () => {
    await using toy = await startToy();
    const line = await Line.open(toy.ws);
    const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);
    line.call(1, 'query', 'echo', deep(32));
    line.call(2, 'query', 'echo', deep(40));
    line.send(
      `{"id":3,"method":"query","params":{"path":"echo","input":{"json":${'['.repeat(60_000)}${']'.repeat(60_000)}}}}`,
    );
    await line.answered(1, 2, 3);
    expect(line.failure(1)).toBeUndefined();
    expect([line.failure(2), line.failure(3)]).toMatchObject([
      { reason: 'INVALID_INPUT' },
      { reason: 'INVALID_INPUT' },
    ]);
    await line.close();
  });

  it.each(['/trpc', '/trpc/binary'])('on %s revives undefined, Date and bytes, and nothing else', async (path) => {
    await using toy = await startToy();
    const line = await Line.open(toy.ws.replace('/trpc', path));
    const send = (id: number, values: unknown) =>
      line.send({ id, method: 'query', params: { path: 'echo', input: { json: { a: ['b'] }, meta: { values } } } });
    send(1, { a: ['set'] });
    send(2, { a: [['class', 'Session']] });
    send(3, { 'a.0': ['regexp'] });
    line.send({
      id: 4,
      method: 'query',
      params: { path: 'echo', input: { json: {}, meta: { referentialEqualities: {} } } },
    });
    await line.answered(1, 2, 3, 4);
    for (const id of [1, 2, 3, 4]) expect(line.failure(id)).toMatchObject({ reason: 'INVALID_INPUT' });
    await line.close();
  });

  it('that cannot be read is answered, and ten in a row close the socket', async () => {
    await using toy = await startToy();
    const line = await Line.open(`${toy.ws}/binary`);
    for (let i = 0; i < 9; i++) line.send(i % 2 ? '{' : Uint8Array.of(0, 0, 0, 9, 1));
    line.call(1, 'query', 'who');
    await line.answered(1);
    expect(line.of(null).length).toBe(9);
    expect(line.failure(null)).toMatchObject({ reason: 'INVALID_MESSAGE' });
    for (let i = 0; i < 10; i++) line.send('{');
    expect(await line.closed).toEqual({ code: 1008, reason: 'INVALID_MESSAGE' });
    expect(line.of(null).length).toBe(19);
  });

  it('with an id longer than one could need is not echoed', async () => {
    await using toy = await startToy();
    const line = await Line.open(toy.ws);
    line.call('x'.repeat(200_000), 'subscription', 'events');
    await line.answered(null);
    expect(line.failure(null)).toMatchObject({ reason: 'INVALID_MESSAGE' });
    await line.close();
  });
});

describe('one socket', () => {
  it('may hold 32 subscriptions; a place that is left can be taken', async () => {
    await using toy = await startToy();
    const line = await Line.open(toy.ws);
    for (let id = 0; id <= limits.socketSubscriptions; id++) line.call(id, 'subscription', 'events');
    await line.answered(limits.socketSubscriptions);
    await line.until(() => toy.feed.sinks.size === limits.socketSubscriptions);
    expect(line.failure(limits.socketSubscriptions)).toMatchObject({
      reason: 'TOO_MANY_SUBSCRIPTIONS',
      retryable: true,
    });
    line.send({ id: 0, method: 'subscription.stop' });
    await line.until((now) => now.of(0).length === 2);
    line.call('next', 'subscription', 'events');
    await line.answered('next');
    expect(line.failure('next')).toBeUndefined();
    await line.close();
  });

  it('may have 64 calls in flight', async () => {
    await using toy = await startToy();
    const line = await Line.open(toy.ws);
    for (let id = 0; id <= limits.socketCalls; id++) line.call(id, 'query', 'hold');
    await line.answered(limits.socketCalls);
    expect(line.failure(limits.socketCalls)).toMatchObject({ reason: 'RATE_LIMITED' });
    for (const call of toy.held) call.release();
    await line.answered(0, limits.socketCalls - 1);
    line.call('next', 'query', 'who');
    await line.answered('next');
    expect(line.failure('next')).toBeUndefined();
    await line.close();
  });

  it('aborts the calls that wait when it closes', async () => {
    await using toy = await startToy();
    const line = await Line.open(toy.ws);
    line.call(1, 'query', 'hold');
    line.call(2, 'query', 'who');
    await line.answered(2);
    const signal = toy.held[0]?.signal;
    expect(signal?.aborted).toBe(false);
    const aborted = new Promise((resolve) => signal?.addEventListener('abort', resolve));
    line.ws.terminate();
    await aborted;
    toy.held[0]?.release();
  });

  it('that sends no connection parameters in time is told why and closed', async () => {
    await using toy = await startToy({ waits: { handshakeMs: 50 } });
    const line = await Line.open(`${toy.ws}?connectionParams=1`);
    line.send('PING');
    await line.closed;
    expect(line.failure(null)).toMatchObject({ reason: 'UNAUTHENTICATED' });
  });

  it('whose context does not come in time is told why and closed', async () => {
    await using toy = await startToy({ waits: { handshakeMs: 50 }, context: () => new Promise<ToyContext>(() => {}) });
    const line = await Line.open(toy.ws);
    await line.closed;
    expect(line.failure(null)).toMatchObject({ reason: 'UNAVAILABLE' });
  });

  it('that has been opened in time stays', async () => {
    await using toy = await startToy({ waits: { handshakeMs: 50 } });
    const [line, late] = await Promise.all([
      Line.open(toy.ws, { params: { token: 'ann' } }),
      Line.open(`${toy.ws}?connectionParams=1`),
    ]);
    await late.closed;
    line.call(1, 'query', 'who');
    await line.answered(1);
    await line.close();
  });

  it('is asked whether it is there, and cut when it does not answer', async () => {
    await using toy = await startToy({ waits: { pingMs: 40, pongWaitMs: 60 } });
    const silent = await Line.open(toy.ws);
    const answering = await Line.open(toy.ws);
    answering.ws.on('message', (data) => {
      if (String(data) === 'PING') answering.send('PONG');
    });
    expect((await silent.closed).code).toBe(1006);
    expect(silent.frames).toEqual(['PING']);
    await answering.until((line) => line.frames.length >= 3);
    await answering.close();
  });

  it('is cut when it does not close in time', async () => {
    const toy = await startToy({ waits: { closeMs: 50 } });
    const socket = connect(Number(new URL(toy.url).port), '127.0.0.1');
    socket.write(
      'GET /trpc HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
    await once(socket, 'data');
    const closed = once(socket, 'close');
    socket.on('data', () => {});
    await toy[Symbol.asyncDispose]();
    await closed;
  });
});

describe('an upgrade', () => {
  const refusal = (url: string, origin?: string): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const ws = new WebSocket(url, origin === undefined ? {} : { origin });
      ws.on('unexpected-response', (_req, res) => {
        res.resume();
        resolve(res.statusCode);
      });
      ws.on('open', () => {
        ws.terminate();
        resolve(undefined);
      });
      ws.on('error', reject);
    });

  it('from another origin is refused; without one it is no browser', async () => {
    const refused: Reason[] = [];
    await using toy = await startToy({ metrics: { refused: (reason) => refused.push(reason) } });
    expect(await refusal(toy.ws, 'http://evil.example')).toBe(403);
    expect(await refusal(toy.ws, 'null')).toBe(403);
    expect(await refusal(toy.ws, 'http://allowed.example')).toBeUndefined();
    expect(await refusal(toy.ws)).toBeUndefined();
    expect(refused).toEqual(['FORBIDDEN', 'FORBIDDEN']);
  });

  it('of another path is answered', async () => {
    await using toy = await startToy();
    expect(await refusal(toy.ws.replace('/trpc', '/other'))).toBe(404);
  });
});

describe('a credential that ends', () => {
  const expiring = () => {
    let error: ParleyError | undefined;
    let listener: CredentialListener | undefined;
    return {
      get listener() {
        return listener;
      },
      expire(isTold: boolean) {
        error = new ParleyError('UNAUTHENTICATED');
        if (isTold) listener?.onInvalid();
      },
      context: async (): Promise<ToyContext> => ({
        user: 'ann',
        valid: () => error,
        listen: (next) => {
          listener = next;
        },
      }),
    };
  };

  it('ends pushed and iterated subscriptions with its error, and calls go on', async () => {
    const credential = expiring();
    await using toy = await startToy({ context: credential.context });
    const line = await Line.open(toy.ws);
    line.call(1, 'subscription', 'events');
    line.call(2, 'subscription', 'endless');
    await line.until((now) => now.of(2).length === 2 && toy.feed.sinks.size === 1);
    credential.expire(true);
    await line.until((now) => now.of(1).length === 3 && now.of(2).length === 4);
    expect([line.failure(1), line.failure(2)]).toMatchObject([
      { reason: 'UNAUTHENTICATED' },
      { reason: 'UNAUTHENTICATED' },
    ]);
    expect(toy.feed.sinks.size).toBe(0);
    line.call(3, 'query', 'who');
    line.call(4, 'subscription', 'events');
    await line.answered(3, 4);
    expect(line.failure(4)).toMatchObject({ reason: 'UNAUTHENTICATED' });
    await line.close();
    await expect.poll(() => credential.listener).toBeUndefined();
  });

  it('lets no event through even before anyone was told', async () => {
    const credential = expiring();
    await using toy = await startToy({ context: credential.context });
    const line = await Line.open(toy.ws);
    line.call(1, 'subscription', 'events');
    await line.until(() => toy.feed.sinks.size === 1);
    toy.feed.emit('1', delta('seen'));
    credential.expire(false);
    toy.feed.emit('2', delta('unseen'));
    toy.feed.emit('3', delta('unseen'));
    await line.until((now) => now.of(1).length === 4);
    expect(line.frames.join()).not.toContain('unseen');
    expect(line.failure(1)).toMatchObject({ reason: 'UNAUTHENTICATED' });
    await line.close();
  });
});
