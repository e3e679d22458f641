import { newId } from '@parley/shared/id';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { answer, gate } from '../support/provider.ts';
import { reasonOf, type SocketClient } from '../support/stock.ts';
import { watch } from '../support/watch.ts';

let app: App;
let ada: SocketClient;
let eve: SocketClient;
beforeAll(async () => {
  app = await startApp();
  ada = await app.trpc('ada');
  eve = await app.trpc('eve');
});
afterAll(() => app.stop());

const text = (words: string) => [{ type: 'text' as const, text: words }];

describe('conversations.create', () => {
  it('makes an empty, active conversation with what it was given', async () => {
    const context = { type: 'order', id: '42' };
    const metadata = { source: 'web', nested: { list: [1, null, 'zwei'], 北: true } };
    const made = await ada.conversations.create.mutate({ title: ' Childhood ', context, metadata });
    expect(made).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
      title: 'Childhood',
      status: 'active',
      assistantId: null,
      context,
      metadata,
      createdAt: expect.any(Date),
      lastMessageAt: null,
      endedAt: null,
      messageCount: 0,
      preview: null,
    });
    expect(await ada.conversations.get.query({ conversationId: made.id })).toMatchObject(made);
    expect((await ada.conversations.create.mutate()).title).toBeNull();
  });

  it('is idempotent by id, whatever the case of its letters, also for concurrent calls', async () => {
    const id = newId();
    const input = { id, title: 'Once', metadata: { a: 1, b: 2 } };
    const made = await Promise.all(Array.from({ length: 8 }, () => ada.conversations.create.mutate(input)));
    expect(made).toEqual(made.map(() => made[0]));
    expect(await ada.conversations.create.mutate({ ...input, id: id.toUpperCase() })).toEqual(made[0]);
    await ada.turns.ask.mutate({ conversationId: id, parts: text('hi') });
    expect(await ada.conversations.create.mutate(input)).toMatchObject({ id, messageCount: 2 });
  });

  it('the same content in another order of its keys is the same content', async () => {
    const id = newId();
    const made = await ada.conversations.create.mutate({ id, metadata: { a: 1, b: { c: 2, d: 3 } } });
    expect(await ada.conversations.create.mutate({ metadata: { b: { d: 3, c: 2 }, a: 1 }, id })).toEqual(made);
  });

  it('says IDEMPOTENCY_CONFLICT for another body', async () => {
    const id = newId();
    await ada.conversations.create.mutate({ id, title: 'One' });
    expect(await reasonOf(ada.conversations.create.mutate({ id, title: 'Two' }))).toBe('IDEMPOTENCY_CONFLICT');
    expect(await reasonOf(ada.conversations.create.mutate({ id }))).toBe('IDEMPOTENCY_CONFLICT');
    const context = { type: 'order' };
    expect(await reasonOf(ada.conversations.create.mutate({ id, title: 'One', context }))).toBe('IDEMPOTENCY_CONFLICT');
  });

  it("says NOT_FOUND for another user's id", async () => {
    const { id } = await ada.conversations.create.mutate({ title: 'Mine' });
    expect(await reasonOf(eve.conversations.create.mutate({ id, title: 'Mine' }))).toBe('NOT_FOUND');
    expect((await ada.conversations.get.query({ conversationId: id })).title).toBe('Mine');
  });

  it('a context that has a conversation already gives IDEMPOTENCY_CONFLICT', async () => {
    const context = { type: 'report', id: 'q3' };
    await ada.conversations.create.mutate({ context });
    expect(await reasonOf(ada.conversations.create.mutate({ context }))).toBe('IDEMPOTENCY_CONFLICT');
  });
});

describe('conversations.forContext', () => {
  it('finds or creates one, once, under 20 concurrent calls', async () => {
    const over = await Promise.all([app.trpc('ada'), app.trpc('ada'), app.http('ada')]);
    const input = { contextType: 'order', contextId: 'concurrent' };
    const calls = Array.from({ length: 20 }, (_, i) => (over[i % 3] ?? ada).conversations.forContext.mutate(input));
    const made = await Promise.all(calls);
    expect(new Set(made.map(({ id }) => id)).size).toBe(1);
    expect(made[0]?.context).toEqual({ type: 'order', id: 'concurrent' });
    expect((await ada.conversations.list.query({ contextType: 'order', search: '' })).items).toContainEqual(made[0]);
  });

  it("'' and nothing are no id: the same conversation, and another than one with an id", async () => {
    const none = await ada.conversations.forContext.mutate({ contextType: 'home' });
    expect(await ada.conversations.forContext.mutate({ contextType: 'home', contextId: '' })).toEqual(none);
    expect(await ada.conversations.forContext.mutate({ contextType: ' home ', contextId: '  ' })).toEqual(none);
    expect(none.context).toEqual({ type: 'home', id: null });
    const one = await ada.conversations.forContext.mutate({ contextType: 'home', contextId: '1' });
    expect(one.id).not.toBe(none.id);
    expect(await reasonOf(ada.conversations.forContext.mutate({ contextType: ' ' }))).toBe('INVALID_INPUT');
  });

  it('is of the user and the tenant; a deleted one makes way for a new one', async () => {
    const input = { contextType: 'order', contextId: 'own' };
    const mine = await ada.conversations.forContext.mutate(input);
    const others = await Promise.all([eve, await app.trpc('ada', { tenant: 'globex' })]);
    for (const other of others) expect((await other.conversations.forContext.mutate(input)).id).not.toBe(mine.id);
    await ada.conversations.delete.mutate({ conversationId: mine.id });
    const anew = await ada.conversations.forContext.mutate(input);
    expect(anew.id).not.toBe(mine.id);
    expect(anew.messageCount).toBe(0);
  });
});

describe('conversations.rename', () => {
  it('changes the title and tells its subscribers', async () => {
    const { id: conversationId } = await ada.conversations.create.mutate({ title: 'Old' });
    const watched = watch(ada, { conversationId });
    await watched.started;
    expect(await ada.conversations.rename.mutate({ conversationId, title: ' 新 title ' })).toMatchObject({
      id: conversationId,
      title: '新 title',
    });
    const { conversation } = await watched.first('conversation.updated');
    expect(conversation).toMatchObject({ id: conversationId, title: '新 title', createdAt: expect.any(Number) });
    const rename = (title: string) => reasonOf(ada.conversations.rename.mutate({ conversationId, title }));
    expect(await rename('  ')).toBe('INVALID_INPUT');
    expect(await rename('x'.repeat(201))).toBe('INVALID_INPUT');
    expect(await reasonOf(eve.conversations.rename.mutate({ conversationId, title: 'Hers' }))).toBe('NOT_FOUND');
    expect((await ada.conversations.get.query({ conversationId })).title).toBe('新 title');
  });
});

describe('conversations.end', () => {
  it('ends it once, with an event; reading goes on, sending does not', async () => {
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const { turn } = await ada.turns.ask.mutate({ conversationId, parts: text('hi') });
    const watched = watch(ada, { conversationId });
    await watched.started;
    const ended = await ada.conversations.end.mutate({ conversationId });
    expect(ended).toMatchObject({ status: 'ended', endedAt: expect.any(Date) });
    await watched.first('conversation.ended');
    expect(await ada.conversations.end.mutate({ conversationId })).toEqual(ended);
    const send = (turnId?: string) =>
      ada.turns.send.mutate({ conversationId, parts: text('hi'), ...(turnId && { turnId }) });
    expect(await reasonOf(send())).toBe('CONVERSATION_ENDED');
    expect(await reasonOf(ada.turns.ask.mutate({ conversationId, parts: text('hi') }))).toBe('CONVERSATION_ENDED');
    expect((await ada.conversations.messages.query({ conversationId })).total).toBe(2);
    // A send whose answer was lost is still answered.
    expect(await send(turn.id)).toMatchObject({ duplicate: true, turnId: turn.id });
    expect(await reasonOf(eve.conversations.end.mutate({ conversationId }))).toBe('NOT_FOUND');
    const renamed = await ada.conversations.rename.mutate({ conversationId, title: 'Still' });
    expect(renamed).toMatchObject({ title: 'Still', status: 'ended' });
    expect(watched.all('conversation.ended')).toHaveLength(1);
  });

  it('interrupts what runs and what waits, keeping what was said', async () => {
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const watched = watch(ada, { conversationId });
    await watched.started;
    app.provider.script(answer('Begun.', gate()));
    const running = await ada.turns.send.mutate({ conversationId, parts: text('one') });
    await watched.first('agent.delta');
    const waiting = await ada.turns.send.mutate({ conversationId, parts: text('two'), onBusy: 'queue' });
    const requests = app.provider.requests.length;
    await ada.conversations.end.mutate({ conversationId });
    await watched.first('conversation.ended');
    expect(watched.types.at(-1)).toBe('conversation.ended');
    expect(
      watched
        .all('turn.interrupted')
        .map(({ turnId }) => turnId)
        .sort(),
    ).toEqual([running.turnId, waiting.turnId].sort());
    const { items } = await ada.conversations.messages.query({ conversationId });
    expect(items.map(({ status, parts }) => [status, parts])).toContainEqual(['interrupted', text('Begun.')]);
    expect(app.provider.requests.length).toBe(requests);
  });
});
