import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { procedures } from '../support/procedures.ts';
import { rawSocket } from '../support/raw-socket.ts';
import { watch } from '../support/watch.ts';

let app: App;
beforeAll(async () => {
  app = await startApp({ model: 'echo:1' });
});
afterAll(() => app.stop());

const text = (words: string) => [{ type: 'text' as const, text: words }];
const get = async (path: string, url = app.url) => {
  const response = await fetch(`${url}${path}`);
  return { status: response.status, headers: response.headers, body: await response.text() };
};

describe('what operators look at', () => {
  it('/healthz and /readyz say so without a credential', async () => {
    expect(await get('/healthz')).toMatchObject({ status: 200, body: '{"status":"ok"}' });
    expect(await get('/readyz')).toMatchObject({ status: 200, body: '{"status":"ready"}' });
  });

  it('/readyz is 503 while the server drains, and turns are refused as DRAINING; /healthz stays', async () => {
    const leaving = await startApp({ beside: app, env: { DRAIN_MS: '0' } });
    try {
      const client = await leaving.http('ada');
      const { id: conversationId } = await client.conversations.create.mutate({});
      await leaving.server.running.drain();
      expect(await get('/readyz', leaving.url)).toMatchObject({ status: 503, body: '{"status":"draining"}' });
      expect((await get('/healthz', leaving.url)).status).toBe(200);
      const refused = await client.turns.send.mutate({ conversationId, parts: text('x') }).catch((error) => error.data);
      expect(refused).toMatchObject({ reason: 'DRAINING', retryable: true, httpStatus: 503 });
      expect((await client.conversations.messages.query({ conversationId })).total).toBe(0);
      expect((await client.conversations.open.mutate({ conversationId })).greetingTurnId).toBeUndefined();
    } finally {
      await leaving.stop();
    }
  });

  it('/metrics counts turns, errors and sockets, and no label tells of a tenant, a user or a conversation', async () => {
    const ada = await app.trpc('metric-user', { tenant: 'metric-tenant' });
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const watched = watch(ada, { conversationId });
    await watched.started;
    await ada.turns.ask.mutate({ conversationId, parts: text('x') });
    await ada.turns.ask.mutate({ conversationId, parts: text('x'), model: 'cut:1' });
    await ada.turns.get.query({ turnId: conversationId }).catch(() => {});
    const { body, headers, status } = await get('/metrics');
    expect([status, headers.get('content-type')]).toEqual([200, expect.stringContaining('text/plain')]);
    expect(body).toContain('parley_turns_total{status="completed",code=""} 1');
    expect(body).toContain('parley_turns_total{status="failed",code="MODEL_INCOMPLETE"} 1');
    expect(body).toMatch(/parley_errors_total\{reason="NOT_FOUND"\} [1-9]/);
    expect(body).toMatch(/parley_sockets [1-9]/);
    expect(body).toMatch(/parley_first_delta_seconds_count [1-9]/);
    expect(body).not.toMatch(/metric-user|metric-tenant/);
    expect(body).not.toContain(conversationId);
    const labels = new Set([...body.matchAll(/[{,](\w+)="/g)].map(([, label]) => label));
    for (const label of ['tenant', 'user', 'conversation', 'turn', 'path']) expect(labels).not.toContain(label);
  });

  // Guard: a refusal is counted where it is told, or, where nobody is told by an answer, where it is made; not in both places.
  it('/metrics counts each refusal of a WebSocket once', async () => {
    const count = async (reason: string): Promise<number> =>
      Number(
        new RegExp(`parley_errors_total\\{reason="${reason}"\\} (\\d+)`).exec((await get('/metrics')).body)?.[1] ?? 0,
      );
    const before = { input: await count('INVALID_INPUT'), origin: await count('FORBIDDEN') };
    const socket = await rawSocket(app.ws);
    const calls = Array.from({ length: 11 }, (_, id) => ({ id, method: 'query', params: { path: 'system.ping' } }));
    socket.send(JSON.stringify(calls));
    await socket.answer(10);
    await expect(rawSocket(app.ws, { origin: 'https://evil.example' })).rejects.toThrow('403');
    expect(await count('INVALID_INPUT')).toBe(before.input + 11);
    expect(await count('FORBIDDEN')).toBe(before.origin + 1);
    socket.close();
  });
});

describe('/openapi.json', () => {
  it('is OpenAPI 3.1 of every query and mutation, with their inputs', async () => {
    const { body, status } = await get('/openapi.json');
    expect(status).toBe(200);
    const api = JSON.parse(body);
    expect(api).toMatchObject({ openapi: '3.1.0', info: { title: 'Parley', version: expect.any(String) } });
    const called = procedures.filter(([, kind]) => kind !== 'subscription');
    for (const [path, kind] of called) {
      const operation = api.paths[`/trpc/${path}`]?.[kind === 'query' ? 'get' : 'post'];
      expect([path, operation?.operationId]).toEqual([path, path]);
      expect(operation.responses['200']).toBeDefined();
      expect(operation.responses.default).toBeDefined();
    }
    expect(Object.keys(api.paths).filter((path) => path.startsWith('/trpc/'))).toHaveLength(called.length);
    const send = api.paths['/trpc/turns.send'].post.requestBody.content['application/json'].schema.properties.json;
    expect(send.required).toEqual(expect.arrayContaining(['conversationId', 'parts']));
    expect(send.required).not.toContain('onBusy');
    // Every reference leads somewhere, every operation's name is its own.
    const refs = [...body.matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path = '']) => path.split('/'));
    expect(refs.length).toBeGreaterThan(0);
    for (const ref of refs) expect(ref.reduce((node, key) => node?.[key], api)).toBeDefined();
    const names = [...body.matchAll(/"operationId":"([^"]+)"/g)].map(([, name]) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThanOrEqual(called.length);
  });
});

describe('every answer', () => {
  it('carries security headers, and says that it is not to be stored', async () => {
    const token = await app.token('ada');
    const headers = { authorization: `Bearer ${token}` };
    const conversation = await (await app.http('ada')).conversations.create.mutate({});
    const input = encodeURIComponent(JSON.stringify({ json: { conversationId: conversation.id } }));
    const stop = new AbortController();
    const answers = await Promise.all([
      fetch(`${app.url}/trpc/account.me`, { headers }),
      fetch(`${app.url}/trpc/no.such`, { headers }),
      fetch(`${app.url}/trpc/conversations.events?input=${input}`, { headers, signal: stop.signal }),
      fetch(`${app.url}/healthz`),
      fetch(`${app.url}/nowhere`),
    ]);
    for (const { headers: answered, url } of answers) {
      expect([url, answered.get('x-content-type-options')]).toEqual([url, 'nosniff']);
      expect(answered.get('content-security-policy')).toContain("default-src 'self'");
      expect(answered.get('x-frame-options')).toBe('SAMEORIGIN');
      expect(answered.get('referrer-policy')).toBe('no-referrer');
      expect(answered.get('x-powered-by')).toBeNull();
    }
    for (const { headers: answered } of answers.slice(0, 3))
      expect(answered.get('cache-control')).toMatch(/no-(store|cache)/);
    stop.abort();
  });
});
