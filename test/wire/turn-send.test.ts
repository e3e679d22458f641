import { newId } from '@parley/shared/id';
import { limits } from '@parley/shared/limits';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { answer, gate } from '../support/provider.ts';
import { reasonOf, type SocketClient } from '../support/stock.ts';
import { watch } from '../support/watch.ts';
import { said, text } from './turn-talk.ts';

let app: App;
let ada: SocketClient;
beforeAll(async () => {
  app = await startApp();
  ada = await app.trpc('ada');
});
afterAll(() => app.stop());

describe('turns.send', () => {
  it('answers when the message is committed and before the agent answers', async () => {
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const held = gate();
    app.provider.script(answer('One ', held, 'two.'));
    const sent = await ada.turns.send.mutate({ conversationId, parts: text('  hello \n') });
    expect(sent).toEqual({
      turnId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      userMessageId: expect.any(String),
      createdAt: expect.any(Date),
      duplicate: false,
    });
    const { items } = await ada.conversations.messages.query({ conversationId });
    expect(items).toEqual([
      {
        id: sent.userMessageId,
        conversationId,
        turnId: sent.turnId,
        role: 'human',
        kind: 'text',
        status: 'complete',
        parts: text('hello'),
        createdAt: sent.createdAt,
      },
    ]);
    expect((await ada.turns.get.query({ turnId: sent.turnId })).status).toBe('running');
    const watched = watch(ada, { conversationId });
    await watched.first('agent.delta', sent.turnId);
    held.release();
    expect((await watched.end(sent.turnId)).type).toBe('turn.completed');
    expect(await said(ada, conversationId)).toEqual(['human: hello', 'agent: One two.']);
    expect(await ada.turns.get.query({ turnId: sent.turnId })).toEqual({
      id: sent.turnId,
      conversationId,
      status: 'completed',
      text: 'One two.',
      metrics: expect.objectContaining({ totalMs: expect.any(Number) }),
    });
  });

  it('is idempotent: 20 parallel sends of one id are one turn and one call of the model', async () => {
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const turnId = newId();
    const before = app.provider.requests.length;
    const over = [ada, await app.trpc('ada'), await app.http('ada')];
    const sends = Array.from({ length: 20 }, (_, i) =>
      (over[i % over.length] ?? ada).turns.send.mutate({ conversationId, turnId, parts: text('once') }),
    );
    const sent = await Promise.all(sends);
    expect(sent.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    expect(new Set(sent.map((each) => `${each.turnId} ${each.userMessageId} ${each.createdAt.getTime()}`)).size).toBe(
      1,
    );
    const again = await ada.turns.ask.mutate({ conversationId, turnId, parts: text(' once ') });
    expect(again.turn.status).toBe('completed');
    expect(await said(ada, conversationId)).toEqual(['human: once', 'agent: You said: once. 1 2 3']);
    expect(app.provider.requests.length - before).toBe(1);
  });

  it('says IDEMPOTENCY_CONFLICT for the same id with anything else in it', async () => {
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const { id: other } = await ada.conversations.create.mutate({});
    const turnId = newId();
    await ada.turns.ask.mutate({ conversationId, turnId, parts: text('first') });
    const send = (input: object) =>
      reasonOf(ada.turns.send.mutate({ conversationId, turnId, parts: text('first'), ...input }));
    expect(await send({ parts: text('second') })).toBe('IDEMPOTENCY_CONFLICT');
    expect(await send({ conversationId: other })).toBe('IDEMPOTENCY_CONFLICT');
    expect(await send({ pageContext: { page: 1 } })).toBe('IDEMPOTENCY_CONFLICT');
    expect(await send({ model: 'echo:2' })).toBe('IDEMPOTENCY_CONFLICT');
    expect(await send({ speak: true })).toBe('IDEMPOTENCY_CONFLICT');
    expect(await said(ada, conversationId)).toHaveLength(2);
    expect(await said(ada, other)).toEqual([]);
  });

  it('takes the same page with its keys in another order for the same send', async () => {
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const send = (pageContext: { a: number; b: number }) =>
      ada.turns.send.mutate({ conversationId, turnId: conversationId, parts: text('hi'), pageContext });
    await send({ a: 1, b: 2 });
    expect((await send({ b: 2, a: 1 })).duplicate).toBe(true);
  });

  it("says NOT_FOUND for another user's turn id, and leaves that turn alone", async () => {
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const { turn } = await ada.turns.ask.mutate({ conversationId, parts: text('mine') });
    const eve = await app.trpc('eve');
    const { id: hers } = await eve.conversations.create.mutate({});
    expect(await reasonOf(eve.turns.send.mutate({ conversationId: hers, turnId: turn.id, parts: text('x') }))).toBe(
      'NOT_FOUND',
    );
    expect((await eve.conversations.messages.query({ conversationId: hers })).total).toBe(0);
    expect((await ada.turns.get.query({ turnId: turn.id })).text).toContain('mine');
  });

  it('takes several parts, drops blank ones, and counts 32,000 characters over all of them', async () => {
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const parts = [...text(' a '), ...text('  '), ...text('b')];
    const { userMessage } = await ada.turns.ask.mutate({ conversationId, parts });
    expect(userMessage.parts).toEqual([...text('a'), ...text('b')]);
    const most = 'x'.repeat(limits.turnCharacters);
    const { userMessage: longest } = await ada.turns.ask.mutate({ conversationId, parts: text(` ${most} `) });
    expect(longest.parts).toEqual(text(most));
    const halves = [...text('x'.repeat(16_000)), ...text('y'.repeat(16_001))];
    expect(await reasonOf(ada.turns.send.mutate({ conversationId, parts: halves }))).toBe('INVALID_INPUT');
  });

  it('keeps the times of messages strictly increasing', async () => {
    const { id: conversationId } = await ada.conversations.create.mutate({});
    for (let i = 0; i < 5; i++) await ada.turns.ask.mutate({ conversationId, parts: text(`${i}`) });
    const { items } = await ada.conversations.messages.query({ conversationId });
    const times = items.map(({ createdAt }) => createdAt.getTime());
    expect(times).toHaveLength(10);
    expect(times.every((time, i) => i === 0 || time > (times[i - 1] ?? Infinity))).toBe(true);
  });

  it('says NOT_FOUND for an attachment that does not exist, naming it, and stores nothing', async () => {
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const attachmentId = newId();
    const parts = [...text('see'), { type: 'attachment' as const, attachmentId }];
    expect(await reasonOf(ada.turns.send.mutate({ conversationId, parts }))).toBe('NOT_FOUND');
    expect(await said(ada, conversationId)).toEqual([]);
  });
});

describe('turns.get', () => {
  it('tells a running turn with its text so far', async () => {
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const held = gate();
    app.provider.script(answer('So far.', held, ' The rest.'));
    const watched = watch(ada, { conversationId });
    await watched.started;
    const { turnId } = await ada.turns.send.mutate({ conversationId, parts: text('go') });
    await watched.first('agent.delta', turnId);
    expect(await ada.turns.get.query({ turnId })).toMatchObject({ id: turnId, status: 'running', text: 'So far.' });
    const got = await ada.conversations.get.query({ conversationId });
    expect(got.runningTurn).toMatchObject({ id: turnId, status: 'running', text: 'So far.' });
    held.release();
    await watched.end(turnId);
    expect((await ada.conversations.get.query({ conversationId })).runningTurn).toBeNull();
  });

  it("says NOT_FOUND for an unknown turn and for another user's alike", async () => {
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const { turn } = await ada.turns.ask.mutate({ conversationId, parts: text('secret') });
    const eve = await app.trpc('eve');
    expect(await reasonOf(eve.turns.get.query({ turnId: turn.id }))).toBe('NOT_FOUND');
    expect(await reasonOf(eve.turns.get.query({ turnId: newId() }))).toBe('NOT_FOUND');
    expect(await reasonOf(eve.turns.retry.mutate({ turnId: turn.id }))).toBe('NOT_FOUND');
  });
});
