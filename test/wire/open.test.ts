import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { answer, gate, refusal } from '../support/provider.ts';
import { reasonOf, type SocketClient } from '../support/stock.ts';
import { watch } from '../support/watch.ts';

let app: App;
let number = 0;
beforeAll(async () => {
  app = await startApp({ env: { MODEL_ATTEMPTS: '1' } });
});
afterAll(() => app.stop());

const text = (words: string) => [{ type: 'text' as const, text: words }];
const complete = {
  nickname: 'Mei',
  birthYear: 1950,
  birthPlace: 'Suzhou',
  grewUpPlace: 'Beijing',
  occupation: 'weaver',
};

/** A user of the test's own with an empty conversation. */
async function fresh(profile: Partial<typeof complete> = {}) {
  const name = `opener-${number++}`;
  const user = await app.trpc(name);
  await user.account.updateProfile.mutate(profile);
  const { id: conversationId } = await user.conversations.create.mutate({});
  return { name, user, conversationId };
}

const lastPrompt = () =>
  app.provider.requests
    .at(-1)
    ?.body.messages.map(({ content }) => content)
    .join('\n') ?? '';

/** Opens, follows from where it says, and returns the greeting's events. */
async function greeted(user: SocketClient, conversationId: string) {
  const opened = await user.conversations.open.mutate({ conversationId });
  const watched = watch(user, { conversationId, lastEventId: opened.lastEventId });
  if (opened.greetingTurnId === undefined) throw new Error('nobody greeted');
  const last = await watched.end(opened.greetingTurnId);
  return { opened, watched, last, greetingTurnId: opened.greetingTurnId };
}

describe('conversations.open', () => {
  it('greets on an empty conversation and asks for what the profile lacks', async () => {
    const { user, conversationId } = await fresh({ nickname: 'Mei', occupation: 'weaver' });
    app.provider.script(answer('Hello Mei![SPLIT]', 'When were you born?'));
    const { opened, watched, last, greetingTurnId } = await greeted(user, conversationId);
    expect(opened.conversation).toMatchObject({ id: conversationId, messageCount: 0 });
    expect(last.type).toBe('turn.completed');
    // From that id on nothing is missed: the turn's first event comes first.
    expect(watched.seen[0]?.data).toMatchObject({ type: 'turn.started', input: 'greeting', parts: [] });
    expect(watched.seen[0]?.data).not.toHaveProperty('userMessageId');
    const { items } = await user.conversations.messages.query({ conversationId });
    expect(items.map(({ role, turnId }) => [role, turnId])).toEqual([['agent', greetingTurnId]]);
    expect(items[0]?.parts.map((part) => part.type === 'text' && part.text.trim())).toEqual([
      'Hello Mei!',
      'When were you born?',
    ]);
    const asked = lastPrompt().split('missing profile fields')[1];
    for (const field of ['birth year', 'birth place', 'grew up']) expect(asked).toContain(field);
    for (const field of ['nickname', 'occupation']) expect(asked).not.toContain(field);
  });

  it('opens from the profile when nothing is missing', async () => {
    const { user, conversationId } = await fresh(complete);
    await greeted(user, conversationId);
    expect(lastPrompt()).not.toContain('missing profile fields');
    expect(lastPrompt()).toMatch(/Mei.*Suzhou/);
  });

  it('greets once under 20 concurrent calls, and not again', async () => {
    const { name, user, conversationId } = await fresh();
    const requests = app.provider.requests.length;
    const over = [user, await app.trpc(name), await app.http(name)];
    const opened = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (over[i % 3] ?? user).conversations.open.mutate({ conversationId })),
    );
    const turns = new Set(opened.flatMap(({ greetingTurnId }) => greetingTurnId ?? []));
    expect(turns.size).toBe(1);
    const [turnId = ''] = turns;
    // Whoever opened, and whichever id it was given: the greeting is seen whole.
    for (const { lastEventId } of opened.slice(0, 6)) {
      const watched = watch(user, { conversationId, lastEventId });
      await watched.end(turnId);
      const saved = watched.all('message.saved');
      expect(saved).toHaveLength(1);
      watched.stop();
    }
    expect(await user.conversations.open.mutate({ conversationId })).not.toHaveProperty('greetingTurnId');
    expect(app.provider.requests.length - requests).toBe(1);
    expect((await user.conversations.messages.query({ conversationId })).total).toBe(1);
  });

  it('while the greeting runs, another opening finds it and misses nothing of it', async () => {
    const { user, conversationId } = await fresh();
    const held = gate();
    app.provider.script(answer('Welcome.', held, ' Sit down.'));
    const first = await user.conversations.open.mutate({ conversationId });
    const watched = watch(user, { conversationId, lastEventId: first.lastEventId });
    await watched.first('agent.delta');
    const second = await user.conversations.open.mutate({ conversationId });
    expect(second.greetingTurnId).toBe(first.greetingTurnId);
    const late = watch(user, { conversationId, lastEventId: second.lastEventId });
    held.release();
    await Promise.all([watched.end(first.greetingTurnId ?? ''), late.end(first.greetingTurnId ?? '')]);
    expect(late.seen).toEqual(watched.seen);
  });

  it('its failure never fails the call, and the next opening tries anew', async () => {
    const { user, conversationId } = await fresh();
    app.provider.script(refusal(500));
    const { last } = await greeted(user, conversationId);
    expect(last).toMatchObject({ type: 'turn.failed', code: 'MODEL_UNAVAILABLE' });
    const again = await greeted(user, conversationId);
    expect(again.last.type).toBe('turn.completed');
    expect((await user.conversations.messages.query({ conversationId })).total).toBe(1);
  });

  it('says nothing on a conversation that is not empty, or ended; its id leads on from there', async () => {
    const { user, conversationId } = await fresh();
    await user.turns.ask.mutate({ conversationId, parts: text('I speak first') });
    const requests = app.provider.requests.length;
    const opened = await user.conversations.open.mutate({ conversationId });
    expect(opened).toEqual({
      conversation: expect.objectContaining({ id: conversationId, messageCount: 2 }),
      lastEventId: expect.any(String),
    });
    const watched = watch(user, { conversationId, lastEventId: opened.lastEventId });
    const sent = await user.turns.send.mutate({ conversationId, parts: text('go on') });
    await watched.end(sent.turnId);
    expect(watched.types[0]).toBe('turn.started');
    expect(app.provider.requests.length - requests).toBe(1);

    const ended = await fresh();
    await ended.user.conversations.end.mutate({ conversationId: ended.conversationId });
    const closed = await ended.user.conversations.open.mutate({ conversationId: ended.conversationId });
    expect(closed).not.toHaveProperty('greetingTurnId');
    expect(closed.conversation.status).toBe('ended');
  });

  it('a user who is quicker than the greeting is not greeted after', async () => {
    const { user, conversationId } = await fresh();
    const requests = app.provider.requests.length;
    app.provider.script(answer(gate(), 'Hello.'));
    const { greetingTurnId = '' } = await user.conversations.open.mutate({ conversationId });
    const watched = watch(user, { conversationId });
    await watched.first('turn.started');
    await app.provider.request(requests);
    const sent = await user.turns.send.mutate({ conversationId, parts: text('hi'), onBusy: 'interrupt' });
    expect((await watched.end(greetingTurnId)).type).toBe('turn.interrupted');
    expect((await watched.end(sent.turnId)).type).toBe('turn.completed');
    expect(await user.conversations.open.mutate({ conversationId })).not.toHaveProperty('greetingTurnId');
  });

  it("an assistant's own greeting is said as it stands, without the model", async () => {
    const id = crypto.randomUUID();
    const assistant = { id, tenant_id: 'acme', name: 'Clerk', greeting: 'Good day.[SPLIT]What can I do?' };
    await app.database.db.insertInto('assistants').values(assistant).execute();
    const { user } = await fresh();
    const { id: conversationId } = await user.conversations.create.mutate({ assistantId: id });
    const requests = app.provider.requests.length;
    await greeted(user, conversationId);
    const { items } = await user.conversations.messages.query({ conversationId });
    expect(items[0]?.parts).toEqual([...text('Good day.'), ...text('What can I do?')]);
    expect(app.provider.requests.length).toBe(requests);
  });

  it('the greeting is part of what the model reads next', async () => {
    const { user, conversationId } = await fresh();
    app.provider.script(answer('Welcome, tell me.'));
    await greeted(user, conversationId);
    await user.turns.ask.mutate({ conversationId, parts: text('I was born in 1950') });
    expect(app.provider.requests.at(-1)?.body.messages.slice(1)).toEqual([
      { role: 'assistant', content: 'Welcome, tell me.' },
      { role: 'user', content: 'I was born in 1950' },
    ]);
  });

  it("another user's is NOT_FOUND and is not greeted", async () => {
    const { conversationId, user } = await fresh();
    const eve = await app.trpc('eve');
    expect(await reasonOf(eve.conversations.open.mutate({ conversationId }))).toBe('NOT_FOUND');
    expect((await user.conversations.get.query({ conversationId })).runningTurn).toBeNull();
  });
});
