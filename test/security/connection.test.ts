import { once } from 'node:events';
import { connect as dial } from 'node:net';
import { limits } from '@parley/shared/limits';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { type RawSocket, rawSocket } from '../support/raw-socket.ts';
import { failureOf, httpClient, openSocket } from '../support/stock.ts';
import { watch } from '../support/watch.ts';

let app: App;
let token: string;
/** Connections that say nothing while the other tests run. */
let silent: Promise<{ ms: number; reason: string | undefined }[]>;
/** Connections that send this much of a request, and how long each lasts. */
let halves: Promise<number[]>;
const open: RawSocket[] = [];
beforeAll(async () => {
  app = await startApp();
  token = await app.token('ada');
  silent = Promise.all(['/trpc', '/trpc/binary'].map(sayNothing));
  halves = Promise.all(['', 'GET /trpc HTTP/1.1\r\nHost: parley\r\nUpgrade: webs'].map(sayHalf));
});
afterEach(() => {
  for (const socket of open.splice(0)) socket.close();
});
afterAll(() => app.stop());

async function connect(path = '/trpc', headers: Record<string, string> = {}) {
  const url = `${app.ws.replace(/\/trpc$/, '')}${path}`;
  const socket = await rawSocket(url, headers);
  open.push(socket);
  return socket;
}
/** How long a connection lasts that announces its parameters and never sends them, and what it is told. */
async function sayNothing(path: string) {
  const from = performance.now();
  const socket = await rawSocket(`${app.ws.replace(/\/trpc$/, '')}${path}?connectionParams=1`);
  await socket.closed;
  return { ms: performance.now() - from, reason: await reasonFor(socket, null) };
}
async function sayHalf(half: string): Promise<number> {
  const from = performance.now();
  const socket = dial(Number(new URL(app.url).port), '127.0.0.1').on('error', () => {});
  socket.write(half);
  socket.resume();
  await once(socket, 'close');
  return performance.now() - from;
}

/** Connected as a user, in the wire's own words. */
async function signedIn(path = '/trpc') {
  const socket = await connect(`${path}?connectionParams=1`);
  socket.send(JSON.stringify({ method: 'connectionParams', data: { token } }));
  return socket;
}
const query = (id: number, path = 'account.me', input?: object) =>
  JSON.stringify({ id, method: 'query', params: { path, ...(input && { input: { json: input } }) } });
const reasonFor = async (socket: RawSocket, id: number | null) => (await socket.answer(id)).error?.json.data.reason;

describe('a WebSocket message', () => {
  it.each([
    ['no JSON', 'nonsense'],
    ['half of it', '{"id":1,"method":'],
    ['a number', '5'],
    ['null', 'null'],
    ['an unknown method', '{"id":1,"method":"eval","params":{"path":"account.me"}}'],
    ['no path', '{"id":1,"method":"query","params":{}}'],
    ['a path that is a list', '{"id":1,"method":"query","params":{"path":["account.me"]}}'],
    ['params that are text', '{"id":1,"method":"query","params":"x"}'],
    ['an id that is an object', '{"id":{"a":1},"method":"query","params":{"path":"account.me"}}'],
    ['an empty batch', '[]'],
    ['bytes on the JSON path', Buffer.from([0, 1, 2, 3])],
  ])('that is broken (%s) is answered or ignored, and the connection goes on', async (_, message) => {
    const socket = await signedIn();
    socket.send(message);
    socket.send(query(7));
    expect(await socket.answer(7)).toHaveProperty('result');
    const refused = socket.messages.filter((each) => !JSON.stringify(each).startsWith('{"id":7'));
    for (const each of refused) expect(JSON.stringify(each)).toMatch(/"reason":"INVALID_(MESSAGE|INPUT)"|"NOT_FOUND"/);
    if (message !== '[]') expect(refused).toHaveLength(1);
  });

  it.each([
    ['shorter than its header', [0, 0]],
    ['a length beyond its end', [255, 255, 255, 255, 123, 125]],
    ['JSON that is none', [0, 0, 0, 2, 123, 123]],
    ['UTF-8 that is none', [0, 0, 0, 2, 0xc3, 0x28]],
    ['bytes that are announced and missing', [0, 0, 0, 13, ...Buffer.from('{"$bytes":99}')]],
    ['bytes left over', [0, 0, 0, 2, 123, 125, 1, 2, 3]],
    ['a negative length', [0, 0, 0, 13, ...Buffer.from('{"$bytes":-1}')]],
  ])('of /trpc/binary that is broken (%s): INVALID_MESSAGE, and the connection goes on', async (_, bytes) => {
    const socket = await signedIn('/trpc/binary');
    socket.send(Uint8Array.from(bytes));
    expect(await reasonFor(socket, null)).toBe('INVALID_MESSAGE');
    socket.send(query(7));
    expect(await socket.answer(7)).toHaveProperty('result');
  });

  it('broken ten times in a row ends the connection', async () => {
    const socket = await signedIn();
    for (let i = 0; i < 10; i++) socket.send('nonsense');
    expect(await socket.closed).toEqual({ code: 1008, reason: 'INVALID_MESSAGE' });
  });

  it('of more than 256 KB: PAYLOAD_TOO_LARGE, without a word of it run', async () => {
    const socket = await signedIn();
    const metadata = { a: 'x'.repeat(limits.messageBytes) };
    socket.send(
      JSON.stringify({
        id: 1,
        method: 'mutation',
        params: { path: 'conversations.create', input: { json: { metadata } } },
      }),
    );
    expect(await reasonFor(socket, 1)).toBe('PAYLOAD_TOO_LARGE');
    socket.send(query(2, 'conversations.list', { search: 'x' }));
    expect(await socket.answer(2)).toMatchObject({ result: { data: { json: { total: 0 } } } });
  });

  it('of more than any may have ends the connection', async () => {
    const socket = await signedIn();
    socket.send('x'.repeat(limits.audioMessageBytes + 128 * 1024));
    expect((await socket.closed).code).toBe(1009);
    expect((await httpClient(app.url).system.ping.query()).version).toBeTypeOf('string');
  });

  it('with 11 calls: each refused, none run; 10 are fine', async () => {
    const socket = await signedIn();
    const batch = (from: number, count: number) =>
      `[${Array.from({ length: count }, (_, i) => query(from + i, 'system.ping')).join(',')}]`;
    socket.send(batch(1, 10));
    for (let id = 1; id <= 10; id++) expect(await socket.answer(id)).toHaveProperty('result');
    socket.send(batch(20, 11));
    for (let id = 20; id <= 30; id++) expect(await reasonFor(socket, id)).toBe('INVALID_INPUT');
  });

  it('the 33rd subscription: TOO_MANY_SUBSCRIPTIONS; a place that is free again is taken', async () => {
    const socket = openSocket(app.ws, { token });
    const { id: conversationId } = await socket.client.conversations.create.mutate({});
    const watches = [];
    for (let i = 0; i < limits.socketSubscriptions; i++) {
      const each = watch(socket.client, { conversationId });
      await each.started;
      watches.push(each);
    }
    const over = await watch(socket.client, { conversationId }).ended;
    expect(over).toMatchObject({ reason: 'TOO_MANY_SUBSCRIPTIONS', retryable: true });
    watches[0]?.stop();
    await watch(socket.client, { conversationId }).started;
    await socket.client.conversations.rename.mutate({ conversationId, title: 'all' });
    await Promise.all(watches.slice(1).map((each) => each.first('conversation.updated')));
    await socket.close();
  });

  it('the 65th call in flight: RATE_LIMITED, the others are answered', async () => {
    const socket = await signedIn();
    socket.send(query(1));
    await socket.answer(1);
    const count = limits.socketCalls + 10;
    const turn = { parts: [{ type: 'text', text: 'x' }] };
    const made = httpClient(app.url, { authorization: `Bearer ${token}` });
    const { id: conversationId } = await made.conversations.create.mutate({});
    for (let id = 10; id < 10 + count; id++) {
      const input = { json: { ...turn, conversationId, model: 'stall:1' } };
      const path = id === 10 ? 'turns.ask' : 'account.me';
      socket.send(JSON.stringify({ id, method: id === 10 ? 'mutation' : 'query', params: { path, input } }));
    }
    const reasons = await Promise.all(Array.from({ length: count - 1 }, (_, i) => reasonFor(socket, 11 + i)));
    expect(new Set(reasons)).toEqual(new Set([undefined, 'RATE_LIMITED']));
    expect(reasons.filter((reason) => reason === 'RATE_LIMITED')).toHaveLength(10);
    await made.turns.interrupt.mutate({ conversationId });
  });
});

describe('a handshake', () => {
  it('in another version of the protocol is refused with those that are spoken, on every transport', async () => {
    const refusal = { reason: 'VERSION_UNSUPPORTED', retryable: false, details: { supported: ['1'] } };
    const http = httpClient(app.url, { authorization: `Bearer ${token}`, 'x-parley-protocol-version': '2' });
    expect(await failureOf(http.account.me.query())).toMatchObject(refusal);
    for (const path of ['/trpc', '/trpc/binary']) {
      const socket = await connect(`${path}?connectionParams=1`);
      socket.send(JSON.stringify({ method: 'connectionParams', data: { token, protocolVersion: '2' } }));
      expect((await socket.answer(null)).error?.json.data).toMatchObject(refusal);
      await socket.closed;
    }
    const params = encodeURIComponent(JSON.stringify({ token, protocolVersion: '2' }));
    const sse = await fetch(`${app.url}/trpc/conversations.events?connectionParams=${params}`);
    expect(await sse.text()).toContain('VERSION_UNSUPPORTED');
    for (const protocolVersion of ['1']) {
      const socket = openSocket(app.ws, { token, protocolVersion });
      expect((await socket.client.account.me.query()).tenant).toBe('acme');
      await socket.close();
    }
  });

  it.each(['nonsense', '[]', '{"data":{"token":5}}', '{"method":"connectionParams","data":"x"}'])(
    'that cannot be read (%s) ends the connection',
    async (message) => {
      const socket = await connect('/trpc?connectionParams=1');
      socket.send(message);
      await socket.closed;
      expect(JSON.stringify(socket.messages)).toMatch(/INVALID_MESSAGE/);
    },
  );

  it('without a token: the connection stands, and each call says UNAUTHENTICATED', async () => {
    const socket = await connect('/trpc');
    socket.send(query(1));
    expect(await reasonFor(socket, 1)).toBe('UNAUTHENTICATED');
    socket.send(query(2, 'system.ping'));
    expect(await socket.answer(2)).toHaveProperty('result');
  });

  it('that never comes ends the connection after 10 s', async () => {
    const waited = await silent;
    for (const { ms, reason } of waited) {
      expect(reason).toBe('UNAUTHENTICATED');
      expect(ms).toBeGreaterThan(limits.handshakeMs - 500);
      expect(ms).toBeLessThan(limits.handshakeMs + 5_000);
    }
  });

  // Guard: `headersTimeout` of the server, and that it is looked at every second.
  it('that does not end ends the connection after 10 s', async () => {
    for (const ms of await halves) {
      expect(ms).toBeGreaterThan(limits.handshakeMs - 500);
      expect(ms).toBeLessThan(limits.handshakeMs + 5_000);
    }
  });
});
