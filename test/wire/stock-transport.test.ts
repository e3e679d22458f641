import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { AppRouter } from '@parley/server/rpc/router';
import { decodeFrame, encodeFrame, frameTransformer } from '@parley/shared/frame';
import { createTRPCClient, createWSClient, httpBatchStreamLink, httpLink, wsLink } from '@trpc/client';
import superjson from 'superjson';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { describe as describeFailure, type HttpClient, reasonOf, type SocketClient } from '../support/stock.ts';
import { watch } from '../support/watch.ts';

let app: App;
let token: string;
let ada: SocketClient;
beforeAll(async () => {
  app = await startApp();
  token = await app.token('ada');
  ada = await app.trpc('ada');
});
afterAll(() => app.stop());

const text = (words: string) => [{ type: 'text' as const, text: words }];

/** What every transport must do: a conversation from its creation to its deletion. */
async function drive(client: SocketClient | HttpClient): Promise<void> {
  const { id: conversationId, createdAt } = await client.conversations.create.mutate({ title: 'Wire' });
  expect(createdAt).toBeInstanceOf(Date);
  const { reply, turn } = await client.turns.ask.mutate({ conversationId, parts: text('你好') });
  expect(reply.parts).toEqual(text('You said: 你好. 1 2 3'));
  const [got, page, list] = await Promise.all([
    client.turns.get.query({ turnId: turn.id }),
    client.conversations.messages.query({ conversationId }),
    client.conversations.list.query({ search: 'Wire' }),
  ]);
  expect(got).toEqual(turn);
  expect(page.items[1]).toEqual(reply);
  expect(list.items.map(({ id }) => id)).toContain(conversationId);
  expect(await reasonOf(client.turns.get.query({ turnId: conversationId }))).toBe('NOT_FOUND');
  expect(await reasonOf(client.turns.get.query({ turnId: 'no id' }))).toBe('INVALID_INPUT');
  await client.conversations.delete.mutate({ conversationId });
  expect(await reasonOf(client.conversations.get.query({ conversationId }))).toBe('CONVERSATION_DELETED');
}

const headers = () => ({ authorization: `Bearer ${token}` });

describe('stock clients', () => {
  it('httpBatchLink', async () => {
    await drive(await app.http('ada'));
  });

  it('httpLink', async () => {
    const link = httpLink({ url: `${app.url}/trpc`, transformer: superjson, headers });
    await drive(createTRPCClient<AppRouter>({ links: [link] }));
  });

  it('httpBatchStreamLink', async () => {
    const link = httpBatchStreamLink({ url: `${app.url}/trpc`, transformer: superjson, headers });
    await drive(createTRPCClient<AppRouter>({ links: [link] }));
  });

  it('wsLink', async () => {
    await drive(ada);
  });

  it('wsLink with the encoder of /trpc/binary, also for events', async () => {
    const ws = createWSClient({
      url: `${app.ws}/binary`,
      connectionParams: { token, protocolVersion: '1' },
      experimental_encoder: {
        encode: encodeFrame,
        decode: (data) => decodeFrame(typeof data === 'string' ? data : new Uint8Array(data)),
      },
    });
    const client = createTRPCClient<AppRouter>({ links: [wsLink({ client: ws, transformer: frameTransformer })] });
    await drive(client);
    const { id: conversationId } = await client.conversations.create.mutate({});
    const [binary, plain] = [watch(client, { conversationId }), watch(ada, { conversationId })];
    await Promise.all([binary.started, plain.started]);
    const { turnId } = await client.turns.send.mutate({ conversationId, parts: text('both') });
    await Promise.all([binary.end(turnId), plain.end(turnId)]);
    expect(binary.seen).toEqual(plain.seen);
    await ws.close();
  });

  it('a batch stream gives the quick answers before the slow one', async () => {
    const link = httpBatchStreamLink({ url: `${app.url}/trpc`, transformer: superjson, headers });
    const client = createTRPCClient<AppRouter>({ links: [link] });
    const { id: conversationId } = await client.conversations.create.mutate({});
    const { id: other } = await client.conversations.create.mutate({});
    const order: string[] = [];
    const slow = client.turns.ask.mutate({ conversationId, parts: text('slow'), model: 'echo:4:60' });
    await Promise.all([
      slow.then(() => order.push('ask')),
      client.conversations.rename.mutate({ conversationId: other, title: 'x' }).then(() => order.push('rename')),
    ]);
    expect(order).toEqual(['rename', 'ask']);
  });
});

describe('SSE', () => {
  async function follow(conversationId: string, lastEventId: string, words: string, credential = token) {
    const program = join(import.meta.dirname, '../support/event-source.ts');
    const args = ['--experimental-eventsource', '--no-warnings', program, `${app.url}/trpc`, credential];
    const { stdout } = await promisify(execFile)(process.execPath, [...args, conversationId, lastEventId, words]);
    return stdout
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
  }

  it('a stock httpSubscriptionLink sees what a wsLink sees, and resumes', async () => {
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const watched = watch(ada, { conversationId });
    await watched.started;
    const events = await follow(conversationId, '', 'over SSE');
    const { turnId } = await watched.first('turn.started');
    await watched.end(turnId);
    expect(events).toEqual(watched.seen);
    const [first] = watched.seen;
    expect(await follow(conversationId, first?.id ?? '', '')).toEqual(watched.seen.slice(1));
  });

  it('a stock httpSubscriptionLink is told the reason when it may not', async () => {
    const { id: conversationId } = await ada.conversations.create.mutate({});
    expect(await follow(conversationId, '', '', 'nonsense')).toEqual([{ error: 'UNAUTHENTICATED' }]);
    expect(await follow(crypto.randomUUID(), '', '')).toEqual([{ error: 'NOT_FOUND' }]);
  });

  it('curl reads the stream', async () => {
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const { lastEventId } = await ada.conversations.open.mutate({ conversationId });
    const input = encodeURIComponent(JSON.stringify({ json: { conversationId, lastEventId } }));
    const url = `${app.url}/trpc/conversations.events?input=${input}`;
    const { body, type } = await readStream(url, /event: return|"type":"turn\.completed"/);
    expect(type).toContain('text/event-stream');
    const blocks = body.split('\n\n').filter((block) => block.trim() !== '');
    expect(blocks[0]).toContain('event: connected');
    const events = blocks.filter((block) => /^id: /m.test(block));
    const types = events.map((block) => /"type":"([\w.]+)"/.exec(block)?.[1]);
    expect(types[0]).toBe('turn.started');
    expect(types.at(-1)).toBe('turn.completed');
    for (const block of events) expect(block).toMatch(/^id: \d+-\d{10}$/m);
    // What curl was given, a browser reads: the ids resume.
    const id = /^id: (.+)$/m.exec(events[0] ?? '')?.[1] ?? '';
    const again = await readStream(url, /"type":"turn\.completed"/, { 'last-event-id': id });
    expect(again.body).not.toContain('"type":"turn.started"');
  });

  /** With curl where there is one, else with fetch: the stream up to a line that fits. */
  async function readStream(url: string, until: RegExp, extra: Record<string, string> = {}) {
    const all = { accept: 'text/event-stream', ...headers(), ...extra };
    const flags = Object.entries(all).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
    const curl = spawn('curl', ['-sN', '-i', ...flags, url], { stdio: ['ignore', 'pipe', 'ignore'] });
    const missing = new Promise<boolean>((resolve) => {
      curl.once('error', () => resolve(true));
      curl.once('spawn', () => resolve(false));
    });
    let body = '';
    if (await missing) {
      const stop = new AbortController();
      const response = await fetch(url, { headers: all, signal: stop.signal });
      for await (const chunk of response.body ?? []) {
        body += Buffer.from(chunk).toString();
        if (until.test(body)) break;
      }
      stop.abort();
      return { body, type: response.headers.get('content-type') ?? '' };
    }
    for await (const chunk of curl.stdout) {
      body += String(chunk);
      if (until.test(body)) break;
    }
    curl.kill();
    const [head = '', ...rest] = body.split('\r\n\r\n');
    return { body: rest.join('\r\n\r\n'), type: /^content-type: (.*)$/im.exec(head)?.[1] ?? '' };
  }

  it('the stream of a deleted conversation ends with its last event and does not come back', async () => {
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const input = encodeURIComponent(JSON.stringify({ json: { conversationId } }));
    const response = await fetch(`${app.url}/trpc/conversations.events?input=${input}`, { headers: headers() });
    const reading = response.text();
    await ada.conversations.delete.mutate({ conversationId });
    const body = await reading;
    expect(body).toContain('"type":"conversation.deleted"');
    expect(body.trim()).toMatch(/event: return\ndata:\s*$/);
  });
});

describe('a connection', () => {
  it('calls that fail do not end it', async () => {
    const calls = Array.from({ length: 5 }, () => reasonOf(ada.turns.get.query({ turnId: crypto.randomUUID() })));
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['NOT_FOUND']));
    expect((await ada.system.ping.query()).version).toBeTypeOf('string');
  });

  it('a client that reconnects goes on after the last event that it saw, and sees each once', async () => {
    const ws = createWSClient({ url: app.ws, connectionParams: { token }, retryDelayMs: () => 10 });
    const client = createTRPCClient<AppRouter>({ links: [wsLink({ client: ws, transformer: superjson })] });
    const { id: conversationId } = await client.conversations.create.mutate({});
    const [cut, whole] = [watch(client, { conversationId }), watch(ada, { conversationId })];
    await Promise.all([cut.started, whole.started]);
    for (const words of ['one', 'two', 'three']) {
      const { turnId } = await ada.turns.send.mutate({ conversationId, parts: text(words), model: 'echo:6:5' });
      await cut.first('agent.delta', turnId);
      // As a network that goes away: the socket closes under the client, which connects again by itself.
      ws.connection?.ws.close();
      await Promise.all([cut.end(turnId), whole.end(turnId)]);
    }
    expect(cut.seen).toEqual(whole.seen);
    await ws.close();
  });

  it('errors of a subscription come with their reason', async () => {
    const failure = await watch(ada, { conversationId: 'no id' }).ended;
    expect(failure?.reason).toBe('INVALID_INPUT');
    expect(() => describeFailure(new Error('another'))).toThrow('another');
  });
});
