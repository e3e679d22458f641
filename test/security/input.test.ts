import { newId } from '@parley/shared/id';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { reasonOf, type SocketClient } from '../support/stock.ts';
import { watch } from '../support/watch.ts';

let app: App;
let ada: SocketClient;
let token: string;
beforeAll(async () => {
  app = await startApp({ model: 'echo:1' });
  ada = await app.trpc('ada');
  token = await app.token('ada');
});
afterAll(() => app.stop());

const text = (words: string) => [{ type: 'text' as const, text: words }];
const reader = { authorization: 'Bearer ', 'content-type': 'application/json' };

/** Posts a body as it stands; the reason, or the result's JSON. */
async function post(path: string, body: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${app.url}/trpc/${path}`, {
    method: 'POST',
    headers: { ...reader, authorization: `Bearer ${token}`, ...headers },
    body,
  });
  const answer = await response.text();
  return { status: response.status, reason: /"reason":"(\w+)"/.exec(answer)?.[1], answer };
}
const send = (input: object, meta?: object) => post('turns.send', JSON.stringify({ json: input, meta }));

describe('what cannot be a turn', () => {
  it.each([
    ['no parts', []],
    ['an empty part', text('')],
    ['whitespace', text(' \n\t\u3000\u00a0')],
    ['only blank parts', [...text(''), ...text('  ')]],
    ['33,000 characters', text('x'.repeat(33_000))],
    ['33,000 characters over several parts', Array.from({ length: 33 }, () => text('x'.repeat(1_000))).flat()],
    ['65 parts', Array.from({ length: 65 }, () => text('x')).flat()],
    ['a part of an unknown type', [{ type: 'video', text: 'x' }]],
    ['text that is a number', [{ type: 'text', text: 5 }]],
    ['an attachment without an id', [{ type: 'attachment' }]],
    ['parts that are an object', { 0: text('x')[0], length: 1 }],
    ['parts that are text', 'hello'],
  ])('%s: INVALID_INPUT, and nothing is stored', async (_, parts) => {
    const { id: conversationId } = await ada.conversations.create.mutate({});
    expect(await send({ conversationId, parts })).toMatchObject({ status: 400, reason: 'INVALID_INPUT' });
    expect(await ada.conversations.get.query({ conversationId })).toMatchObject({ messageCount: 0, runningTurn: null });
    expect((await ada.turns.ask.mutate({ conversationId, parts: text('still here') })).turn.status).toBe('completed');
  });

  it.each([
    ['an unknown onBusy', { onBusy: 'wait' }],
    ['speak that is text', { speak: 'yes' }],
    ['an empty model name', { model: ' ' }],
    ['a turn id that is none', { turnId: 'turn-1' }],
    ['a page of more than 16 KB', { pageContext: { page: 'x'.repeat(17_000) } }],
    ['a conversation id with more behind it', { conversationId: `${newId()}' or 1=1` }],
    ['a conversation id that is an object', { conversationId: { id: newId() } }],
  ])('%s: INVALID_INPUT', async (_, rest) => {
    const { id: conversationId } = await ada.conversations.create.mutate({});
    expect((await send({ conversationId, parts: text('x'), ...rest })).reason).toBe('INVALID_INPUT');
    expect((await ada.conversations.messages.query({ conversationId })).total).toBe(0);
  });

  it('unknown ids are NOT_FOUND in every procedure', async () => {
    const [conversationId, turnId] = [newId(), newId()];
    const other = await app.http('ada');
    const calls = [
      ada.turns.send.mutate({ conversationId, parts: text('x') }),
      ada.turns.ask.mutate({ conversationId, parts: text('x') }),
      ada.turns.interrupt.mutate({ conversationId }),
      ada.turns.get.query({ turnId }),
      ada.turns.retry.mutate({ turnId }),
    ];
    // Over another connection: a stock socket sends what is called in one tick as one batch, of at most ten.
    const more = [
      other.conversations.get.query({ conversationId }),
      other.conversations.messages.query({ conversationId }),
      other.conversations.open.mutate({ conversationId }),
      other.conversations.rename.mutate({ conversationId, title: 'x' }),
      other.conversations.end.mutate({ conversationId }),
      other.conversations.delete.mutate({ conversationId }),
      other.conversations.export.query({ conversationId }),
    ];
    const reasons = await Promise.all([...calls, ...more].map(reasonOf));
    expect(reasons).toEqual(reasons.map(() => 'NOT_FOUND'));
    expect((await watch(ada, { conversationId }).ended)?.reason).toBe('NOT_FOUND');
    expect(await reasonOf(ada.conversations.create.mutate({ assistantId: newId() }))).toBe('NOT_FOUND');
  });
});

describe('text that PostgreSQL or UTF-8 cannot hold', () => {
  // Each is either stored as it was sent or refused. Never INTERNAL, never changed silently.
  const odd = [
    'a\u0000b',
    '\ud800',
    'x\udc00y',
    '\ufffe\uffff',
    'e\u0301\u200b\u202e',
    '\u0001\u001f\u007f',
    '👩‍👩‍👧‍👦🇨🇳',
  ];

  it.each(odd)('in a turn: %j', async (words) => {
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const sent = await send({ conversationId, parts: text(`<${words}>`) });
    const { items } = await ada.conversations.messages.query({ conversationId });
    expect(sent.reason).toBe(/\0|\p{Surrogate}/u.test(words) ? 'INVALID_INPUT' : undefined);
    if (sent.reason === undefined) expect(items[0]?.parts).toEqual(text(`<${words}>`));
    else expect(items).toEqual([]);
  });

  it.each(odd)('in every other text: %j', async (words) => {
    const value = `<${words}>`;
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const calls: [string, object, (answer: string) => unknown][] = [
      ['conversations.create', { title: value }, (answer) => JSON.parse(answer).result.data.json.title],
      ['conversations.create', { metadata: { a: value } }, (answer) => JSON.parse(answer).result.data.json.metadata.a],
      [
        'conversations.create',
        { metadata: { [value]: 1 } },
        (answer) => Object.keys(JSON.parse(answer).result.data.json.metadata)[0],
      ],
      [
        'conversations.forContext',
        { contextType: value },
        (answer) => JSON.parse(answer).result.data.json.context.type,
      ],
      [
        'conversations.forContext',
        { contextType: 'odd', contextId: value },
        (answer) => JSON.parse(answer).result.data.json.context.id,
      ],
      ['conversations.rename', { conversationId, title: value }, (answer) => JSON.parse(answer).result.data.json.title],
      ['account.updateProfile', { nickname: value }, (answer) => JSON.parse(answer).result.data.json.nickname],
    ];
    for (const [path, input, stored] of calls) {
      const { reason, answer } = await post(path, JSON.stringify({ json: input }));
      expect([path, reason ?? stored(answer)]).toEqual([path, reason === undefined ? value : 'INVALID_INPUT']);
    }
    for (const input of [{ search: value }, { contextType: value }, { cursor: value }]) {
      const query = encodeURIComponent(JSON.stringify({ json: input }));
      const response = await fetch(`${app.url}/trpc/conversations.list?input=${query}`, {
        headers: { authorization: `Bearer ${token}` },
      });
      expect([200, 400]).toContain(response.status);
    }
    const page = await send({ conversationId, parts: text('page'), pageContext: { [value]: value } });
    expect([undefined, 'INVALID_INPUT']).toContain(page.reason);
    if (page.reason === undefined) await ada.turns.ask.mutate({ conversationId, parts: text('then'), onBusy: 'queue' });
    expect(app.log.filter((line) => line.includes('"level":"error"'))).toEqual([]);
  });
});

describe('JSON that is more than data', () => {
  const deep = (depth: number): unknown => JSON.parse(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`);

  it('a depth of 32 is read, one more is not, and a bomb costs nothing', async () => {
    expect((await post('conversations.create', JSON.stringify({ json: { metadata: deep(30) } }))).reason).toBe(
      undefined,
    );
    for (const depth of [33, 1_000]) {
      const body = JSON.stringify({ json: { metadata: deep(depth) } });
      expect((await post('conversations.create', body)).reason).toBe('INVALID_INPUT');
    }
    const bomb = `{"json":${'['.repeat(400_000)}${']'.repeat(400_000)}}`;
    const from = performance.now();
    expect(['INVALID_INPUT', 'INVALID_MESSAGE']).toContain((await post('conversations.create', bomb)).reason);
    expect(performance.now() - from).toBeLessThan(5_000);
  });

  it('metadata of more than 16 KB, or that is no object: INVALID_INPUT', async () => {
    for (const metadata of [{ a: 'x'.repeat(17_000) }, [1], 'text', 5, { ['k'.repeat(101)]: 1 }])
      expect((await post('conversations.create', JSON.stringify({ json: { metadata } }))).reason).toBe('INVALID_INPUT');
  });

  it.each(['__proto__', 'constructor', 'prototype'])('the key %s is refused and reaches no prototype', async (key) => {
    for (const body of [
      `{"json":{"metadata":{"${key}":{"polluted":true}}}}`,
      `{"json":{"${key}":{"polluted":true}}}`,
      `{"json":{"title":"x"},"meta":{"values":{"${key}.polluted":["Date"]}}}`,
    ])
      expect([body, (await post('conversations.create', body)).reason]).toEqual([body, 'INVALID_INPUT']);
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
    const ws = await reasonOf(
      ada.conversations.create.mutate({ metadata: JSON.parse(`{"a":{"${key}":1}}`) }).then(() => {}),
    );
    expect([undefined, 'INVALID_INPUT']).toContain(ws);
  });

  it.each([
    ['a Map', { title: [['a', 1]] }, { values: { title: ['map'] } }],
    ['a Set', { title: ['a'] }, { values: { title: ['set'] } }],
    ['an Error', { title: { name: 'E', message: 'm' } }, { values: { title: ['Error'] } }],
    ['a RegExp', { title: '/(a+)+$/' }, { values: { title: ['regexp'] } }],
    ['a bigint', { title: '9'.repeat(100_000) }, { values: { title: ['bigint'] } }],
    ['a class', { title: {} }, { values: { title: [['class', 'Object']] } }],
    ['a symbol', { title: 'iterator' }, { values: { title: [['symbol', 'iterator']] } }],
    ['another custom type', { title: 'x' }, { values: { title: [['custom', 'evil']] } }],
    ['a typed array', { title: [1] }, { values: { title: [['typed-array', 'Uint8Array']] } }],
    ['a shared reference', { title: 'x', metadata: {} }, { referentialEqualities: { title: ['metadata.a'] } }],
    ['a path to a far index', { metadata: { a: [] } }, { values: { 'metadata.a.4294967294': ['Date'] } }],
    ['a bad date', { title: 'no date' }, { values: { title: ['Date'] } }],
    ['annotations that are text', { title: 'x' }, 'values'],
  ])('a superjson annotation for %s: INVALID_INPUT', async (_, json, meta) => {
    expect((await post('conversations.create', JSON.stringify({ json, meta }))).reason).toBe('INVALID_INPUT');
  });

  it('undefined, Date and bytes are read, and are no text', async () => {
    const undefinedTitle = { json: { title: null }, meta: { values: { title: ['undefined'] } } };
    expect((await post('conversations.create', JSON.stringify(undefinedTitle))).status).toBe(200);
    for (const annotation of ['Date', ['custom', 'bytes']]) {
      const body = JSON.stringify({
        json: { title: annotation === 'Date' ? '2024-01-01T00:00:00Z' : 'aGk=' },
        meta: { values: { title: [annotation] } },
      });
      expect((await post('conversations.create', body)).reason).toBe('INVALID_INPUT');
    }
  });
});
