import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import { connect } from 'node:net';
import { limits } from '@parley/shared/limits';
import { ParleyError } from '@parley/shared/reason';
import { createHTTPHandler } from '@trpc/server/adapters/standalone';
import { describe, expect, it } from 'vitest';
import { startToy, toyContext } from './trpc-server.ts';
import { delta, Feed, toyRouter } from './trpc-toy.ts';
import { until } from './trpc-until.ts';

async function startStock() {
  const feed = new Feed();
  const { router } = toyRouter(feed);
  const handler = createHTTPHandler({
    router,
    basePath: '/trpc/',
    maxBatchSize: limits.batchCalls,
    createContext: ({ req, info }) => toyContext({ req, connectionParams: info.connectionParams }),
  });
  const server = createServer(handler);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    feed,
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/trpc`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

interface Seen {
  status: number;
  type: string | null;
  body: string;
}

async function see(url: string, init?: RequestInit): Promise<Seen> {
  const response = await fetch(url, init);
  const body = (await response.text()).replaceAll(/"traceId":"[^"]*"/g, '"traceId":"trace"');
  return { status: response.status, type: response.headers.get('content-type'), body };
}

const q = (input: unknown) => encodeURIComponent(JSON.stringify(input));
const post = (body: RequestInit['body'], type = 'application/json'): RequestInit => ({
  method: 'POST',
  body: body ?? null,
  headers: { 'content-type': type },
});

describe('answers equal those of the stock adapter', () => {
  it.each<[string, string, RequestInit?]>([
    ['a query', `/echo?input=${q({ json: { a: [1, '字'] } })}`],
    ['a query without input', '/who'],
    ['a mutation', '/add', post('{"json":{"a":1,"b":2}}')],
    ['a batch', `/who,fail,echo?batch=1&input=${q({ 2: { json: 1 } })}`],
    ['a batch of mutations', '/add,add?batch=1', post('{"0":{"json":{"a":1,"b":2}},"1":{"json":{}}}')],
    ['a batch that mixes kinds', '/who,add?batch=1'],
    [
      'a streamed batch',
      `/who,echo?batch=1&input=${q({ 1: { json: 1 } })}`,
      { headers: { 'trpc-accept': 'application/jsonl' } },
    ],
    ['a streamed call outside of a batch', '/who', { headers: { 'trpc-accept': 'application/jsonl' } }],
    ['eleven calls', `/${Array(11).fill('who').join()}?batch=1`],
    ['a procedure that fails', '/fail'],
    ['a procedure that crashes', '/crash'],
    ['a procedure that is not there', '/nowhere'],
    ['a wrong method', '/add'],
    ['a query by POST', '/who', post('')],
    ['an input that is not valid', '/add', post('{"json":{"a":"x"}}')],
    ['an input that is not JSON', '/add', post('{')],
    ['an input in the URL that is not JSON', '/echo?input=%7B'],
    ['a batch whose input is no object', '/echo,echo?batch=1&input=7'],
    ['an annotation that is not revived', `/echo?input=${q({ json: ['a'], meta: { values: ['set'] } })}`],
    ['text', '/add', post('x', 'text/plain')],
    ['no content type', '/add', { method: 'POST', body: new Uint8Array(3) }],
    ['bytes for a procedure of JSON', '/add', post(new Uint8Array(3), 'application/octet-stream')],
    ['a result that streams', '/stream'],
    ['a context that is refused', '/who', { headers: { authorization: 'bad' } }],
    ['HEAD', '/who', { method: 'HEAD' }],
    ['a subscription that ends', `/count?input=${q({ json: { to: 2 } })}`],
    [
      'a subscription resumed by header',
      `/count?input=${q({ json: { to: 3 } })}`,
      { headers: { 'last-event-id': '2' } },
    ],
    ['a subscription resumed by URL', `/count?input=${q({ json: { to: 3 } })}&lastEventId=2`],
    ['untracked values', '/plain'],
    ['untracked values after an id', '/plain', { headers: { 'last-event-id': '9' } }],
    ['a subscription that breaks', '/breaks'],
    ['a subscription that is refused', '/refused'],
    ['a subscription whose input is not valid', `/count?input=${q({ json: { to: 'x' } })}`],
    ['a subscription whose input is not JSON', '/count?input=%7B'],
    ['a subscription whose context is refused', `/plain?connectionParams=${q({ token: 'bad' })}`],
    ['a subscription by POST', '/plain', post('')],
    ['a batch of subscriptions', '/plain,plain?batch=1'],
  ])('%s', async (_name, path, init) => {
    await using stock = await startStock();
    await using toy = await startToy();
    const theirs = await see(stock.url + path, init);
    expect(await see(toy.url + path, init)).toEqual(theirs);
    expect(theirs.status).toBeGreaterThan(0);
  });

  it.each(['7', '%7B', q({ token: 7 })])('connection parameters that are none: %s', async (params) => {
    await using stock = await startStock();
    await using toy = await startToy();
    const theirs = await see(`${stock.url}/plain?connectionParams=${params}`);
    const ours = await see(`${toy.url}/plain?connectionParams=${params}`);
    // The stock adapter forgets the content type here.
    expect(ours).toEqual({ ...theirs, type: 'application/json; charset=utf-8' });
    expect([ours.status, ours.body]).toEqual([400, expect.stringContaining('INVALID_MESSAGE')]);
  });

  it('pushed events, their end and their failure', async () => {
    const script = async ({ feed, url }: { feed: Feed; url: string }): Promise<Seen[]> => {
      const seen: Seen[] = [];
      for (const end of [undefined, new Error('secret')]) {
        const response = see(`${url}/events`);
        await until(() => feed.sinks.size > 0);
        feed.emit('0-1', delta('a "quoted" 字\n\u2028'));
        feed.emit('0-2', delta('x'.repeat(40_000)));
        feed.end(end);
        seen.push(await response);
      }
      return seen;
    };
    await using stock = await startStock();
    await using toy = await startToy();
    expect(await script(toy)).toEqual(await script(stock));
  });
});

describe('a body', () => {
  const reasonOf = async (response: Response): Promise<unknown> => {
    const text = await response.text();
    return /"reason":"([A-Z_]+)"/.exec(text)?.[1];
  };
  const audioInput = (size: number) =>
    JSON.stringify({ json: { data: 'A'.repeat(size) }, meta: { values: { data: [['custom', 'bytes']] } } });

  it('over 1 MB is refused, with its length and without', async () => {
    await using toy = await startToy();
    const body = JSON.stringify({ json: { text: 'x'.repeat(limits.bodyBytes) } });
    const withLength = await fetch(`${toy.url}/add`, post(body));
    expect([withLength.status, await reasonOf(withLength)]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
    const req = request(`${toy.url}/add`, { method: 'POST', headers: { 'content-type': 'application/json' } });
    req.on('error', () => {});
    const answered = once(req, 'response');
    // Never ended: the answer must not wait for the rest.
    for (let i = 0; i < 20; i++) req.write('x'.repeat(64 * 1024));
    const [response] = await answered;
    expect(response.statusCode).toBe(413);
    req.destroy();
  });

  it('of an audio procedure may have 7 MB, in a batch too, but not with others', async () => {
    await using toy = await startToy();
    const data = audioInput(4 * 1024 * 1024);
    const alone = await fetch(`${toy.url}/voice.sendSegment`, post(data));
    expect([alone.status, await alone.json()]).toEqual([200, { result: { data: { json: 3 * 1024 * 1024 } } }]);
    const twice = await fetch(
      `${toy.url}/voice.sendSegment,voice.sendSegment?batch=1`,
      post(`{"0":${data},"1":${audioInput(4)}}`),
    );
    expect(twice.status).toBe(200);
    const mixed = await fetch(`${toy.url}/voice.sendSegment,add?batch=1`, post(`{"0":${data}}`));
    expect(mixed.status).toBe(413);
    const tooLarge = await fetch(`${toy.url}/voice.sendSegment`, post(audioInput(limits.audioMessageBytes)));
    expect([tooLarge.status, await reasonOf(tooLarge)]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
  });

  it.each(['application/octet-stream', 'multipart/form-data; boundary=x', 'text/plain'])(
    'of %s is held to the same size',
    async (type) => {
      await using toy = await startToy();
      const response = await fetch(`${toy.url}/add`, post(new Uint8Array(limits.bodyBytes + 1), type));
      expect([response.status, await reasonOf(response)]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
    },
  );

  it('deeper than 32 levels is refused', async () => {
    await using toy = await startToy();
    const deep = (levels: number) => `{"json":${'['.repeat(levels)}${']'.repeat(levels)}}`;
    const fine = await fetch(`${toy.url}/echo?input=${encodeURIComponent(deep(32))}`);
    expect(fine.status).toBe(200);
    for (const levels of [40, 50_000]) {
      const refused = await fetch(`${toy.url}/add`, post(deep(levels)));
      expect([refused.status, await reasonOf(refused)]).toEqual([400, 'INVALID_INPUT']);
    }
  });

  it.each([
    ['eleven calls', `/${Array(11).fill('who').join()}?batch=1`, undefined, 'INVALID_INPUT'],
    ['broken JSON', '/add', post('{'), 'INVALID_MESSAGE'],
    ['another content type', '/add', post('x', 'text/plain'), 'UNSUPPORTED_FORMAT'],
    ['no procedure', '/nowhere', undefined, 'NOT_FOUND'],
  ])('with %s carries a reason', async (_name, path, init, reason) => {
    await using toy = await startToy();
    expect(await reasonOf(await fetch(toy.url + path, init))).toBe(reason);
  });
});

describe('SSE', () => {
  it('reads no credential from the URL for anything else', async () => {
    await using toy = await startToy();
    const params = `connectionParams=${q({ token: 'ann' })}`;
    expect(await (await fetch(`${toy.url}/who?${params}`)).json()).toEqual({ result: { data: { json: 'nobody' } } });
  });

  it('says that it is alive only while it is silent', async () => {
    await using toy = await startToy({ sse: { pingMs: 20 } });
    const controller = new AbortController();
    const response = await fetch(`${toy.url}/endless`, { signal: controller.signal });
    let text = '';
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk;
      if (text.split('event: ping').length > 3) break;
    }
    expect(text).toContain('event: ping\ndata: \n\n\n');
    controller.abort();
  });

  it('ends after its longest duration, without the end of the subscription', async () => {
    await using toy = await startToy({ sse: { maxDurationMs: 30 } });
    const { body } = await see(`${toy.url}/endless`);
    expect(body).toContain('data: {"json":"begun"}');
    expect(body).not.toContain('event: return');
  });

  it('ends with its credential, and lets no event through', async () => {
    let error: ParleyError | undefined;
    await using toy = await startToy({ context: async () => ({ user: 'ann', valid: () => error }) });
    const response = see(`${toy.url}/events`);
    await until(() => toy.feed.sinks.size > 0);
    toy.feed.emit('1', delta('seen'));
    error = new ParleyError('UNAUTHENTICATED');
    toy.feed.emit('2', delta('unseen'));
    const { body } = await response;
    expect(body).toContain('seen');
    expect(body).not.toContain('unseen');
    expect(body).toMatch(/event: serialized-error\ndata: .*UNAUTHENTICATED/);
    expect(toy.feed.sinks.size).toBe(0);
  });

  it('stops its feed when the client leaves', async () => {
    await using toy = await startToy();
    const controller = new AbortController();
    await fetch(`${toy.url}/events`, { signal: controller.signal });
    expect(toy.feed.sinks.size).toBe(1);
    controller.abort();
    await until(() => toy.feed.sinks.size === 0);
    await until(() => toy.http.streams === 0);
  });

  it('stops its feed as soon as the server ends it, whether or not the client has read it', async () => {
    await using toy = await startToy();
    const response = await fetch(`${toy.url}/events`);
    toy.feed.emit('1', delta('x'.repeat(100_000)));
    toy.http.leaveStreams();
    expect(toy.feed.sinks.size).toBe(0);
    expect(await response.text()).not.toContain('event: return');
  });

  it('leaves its connection usable for the next request', async () => {
    await using toy = await startToy();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const get = async (path: string) => {
      const req = request(toy.url + path, { agent });
      req.end();
      const [res] = await once(req, 'response');
      let text = '';
      for await (const chunk of res) text += chunk;
      return text;
    };
    expect(await get('/count?input=%7B%22json%22%3A%7B%22to%22%3A2%7D%7D')).toContain('event: return');
    expect(await get('/who')).toBe('{"result":{"data":{"json":"nobody"}}}');
    expect(toy.connections.size).toBe(1);
    agent.destroy();
  });

  it('is read by a client of HTTP/1.0, which knows no chunks', async () => {
    await using toy = await startToy();
    const socket = connect(Number(new URL(toy.url).port), '127.0.0.1');
    socket.write('GET /trpc/plain HTTP/1.0\r\nHost: x\r\n\r\n');
    let text = '';
    for await (const chunk of socket) text += chunk;
    expect(text).toMatch(/\r\n\r\nevent: connected\ndata: .*\n\n\ndata: \{"json":"one"\}\n\n\n/);
  });
});
