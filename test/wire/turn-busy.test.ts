import { findTurn } from '@parley/db/repository/turn';
import { interruptTurn } from '@parley/server/turn/interrupt';
import type { EventType } from '@parley/shared/event';
import { limits } from '@parley/shared/limits';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { answer, gate } from '../support/provider.ts';
import { failureOf, reasonOf, type SocketClient } from '../support/stock.ts';
import { watch } from '../support/watch.ts';
import { said, text } from './turn-talk.ts';

let app: App;
let ada: SocketClient;
beforeAll(async () => {
  app = await startApp();
  ada = await app.trpc('ada');
});
afterAll(() => app.stop());

/** A conversation whose turn has said `Begun.` and is held until released. */
async function busy() {
  const { id: conversationId } = await ada.conversations.create.mutate({});
  const watched = watch(ada, { conversationId });
  await watched.started;
  const held = gate();
  app.provider.script(answer('Begun.', held, ' Done.'));
  const { turnId } = await ada.turns.send.mutate({ conversationId, parts: text('first') });
  await watched.first('agent.delta', turnId);
  return { conversationId, turnId, watched, held };
}

describe('onBusy', () => {
  it('reject (the default) says TURN_IN_PROGRESS and stores nothing', async () => {
    const { conversationId, turnId, watched, held } = await busy();
    const refused = await failureOf(ada.turns.send.mutate({ conversationId, parts: text('second') }));
    expect(refused).toMatchObject({ reason: 'TURN_IN_PROGRESS', retryable: true, details: { turnId } });
    expect(await reasonOf(ada.turns.ask.mutate({ conversationId, parts: text('third') }))).toBe('TURN_IN_PROGRESS');
    held.release();
    await watched.end(turnId);
    expect(await said(ada, conversationId)).toEqual(['human: first', 'agent: Begun. Done.']);
    expect((await ada.turns.ask.mutate({ conversationId, parts: text('second') })).turn.status).toBe('completed');
  });

  it('interrupt ends the running turn first, keeping what it had said', async () => {
    const { conversationId, turnId, watched } = await busy();
    const sent = await ada.turns.send.mutate({ conversationId, parts: text('second'), onBusy: 'interrupt' });
    await watched.end(sent.turnId);
    expect(await said(ada, conversationId)).toEqual([
      'human: first',
      'agent: Begun.',
      'human: second',
      'agent: You said: second. 1 2 3',
    ]);
    const types = watched.seen.map(({ data }): [EventType, boolean] => [
      data.type,
      'turnId' in data && data.turnId === turnId,
    ]);
    const ended = types.findIndex(([type]) => type === 'turn.interrupted');
    expect(types.slice(0, ended + 1).every(([, isFirst]) => isFirst)).toBe(true);
    expect(types.slice(ended + 1).some(([, isFirst]) => isFirst)).toBe(false);
    const { items } = await ada.conversations.messages.query({ conversationId });
    expect(items.map(({ status }) => status)).toEqual(['complete', 'interrupted', 'complete', 'complete']);
    // The model was told that its connection is over, and reads what was said of the first answer.
    const request = app.provider.requests.at(-1);
    expect(request?.body.messages.slice(1)).toEqual([
      { role: 'user', content: 'first' },
      { role: 'assistant', content: 'Begun.' },
      { role: 'user', content: 'second' },
    ]);
    expect(await app.provider.requests.at(-2)?.ended).toBe('aborted');
  });

  it('queue runs waiting turns one after the other, in order of their sends; the ninth is refused', async () => {
    const { conversationId, watched, held } = await busy();
    const waiting: string[] = [];
    for (let i = 1; i <= limits.queuedTurns; i++) {
      const sent = await ada.turns.send.mutate({ conversationId, parts: text(`q${i}`), onBusy: 'queue' });
      waiting.push(sent.turnId);
    }
    expect((await ada.turns.get.query({ turnId: waiting[0] ?? '' })).status).toBe('queued');
    const ninth = await failureOf(ada.turns.send.mutate({ conversationId, parts: text('q9'), onBusy: 'queue' }));
    expect(ninth).toMatchObject({ reason: 'TURN_IN_PROGRESS', details: { limit: 8 } });
    held.release();
    for (const turnId of waiting) expect((await watched.end(turnId)).type).toBe('turn.completed');
    expect(await said(ada, conversationId)).toEqual([
      'human: first',
      'agent: Begun. Done.',
      ...waiting.flatMap((_, i) => [`human: q${i + 1}`, `agent: You said: q${i + 1}. 1 2 3`]),
    ]);
    // One turn at a time: each begins after the one before it has ended, and its message is saved right then.
    const borders = watched.types.filter((type) => type === 'turn.started' || type === 'turn.completed');
    expect(borders).toEqual(Array.from({ length: 18 }, (_, i) => (i % 2 === 0 ? 'turn.started' : 'turn.completed')));
    const { items } = await ada.conversations.messages.query({ conversationId });
    const times = items.map(({ createdAt }) => createdAt.getTime());
    expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
    expect(watched.all('message.saved').map(({ id }) => id)).toEqual(items.map(({ id }) => id));
    expect(watched.all('message.saved').map(({ createdAt }) => createdAt)).toEqual(times);
  });

  it('a queued turn can be interrupted before it runs; the others keep their order', async () => {
    const { conversationId, turnId, watched, held } = await busy();
    const one = await ada.turns.send.mutate({ conversationId, parts: text('one'), onBusy: 'queue' });
    const two = await ada.turns.send.mutate({ conversationId, parts: text('two'), onBusy: 'queue' });
    const requests = app.provider.requests.length;
    expect(await ada.turns.interrupt.mutate({ conversationId, turnId: one.turnId })).toEqual({ interrupted: true });
    expect((await ada.turns.get.query({ turnId: one.turnId })).status).toBe('interrupted');
    held.release();
    expect((await watched.end(turnId)).type).toBe('turn.completed');
    expect((await watched.end(one.turnId)).type).toBe('turn.interrupted');
    expect((await watched.end(two.turnId)).type).toBe('turn.completed');
    expect(app.provider.requests.length - requests).toBe(1);
    const ofOne = watched.seen.map(({ data }) => data).filter((data) => 'turnId' in data && data.turnId === one.turnId);
    expect(ofOne.map(({ type }) => type)).toEqual([
      'turn.started',
      'message.saved',
      'turn.metrics',
      'turn.interrupted',
    ]);
  });

  it('20 concurrent sends: one runs, eight wait, the rest are refused, and history is well-formed', async () => {
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const held = gate();
    app.provider.script(answer(held, 'First.'));
    const watched = watch(ada, { conversationId });
    await watched.started;
    // A stock socket sends what is called in one tick as one batch, of at most ten.
    const over = [ada, await app.trpc('ada'), await app.trpc('ada')];
    const sends = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) =>
        (over[i % over.length] ?? ada).turns.send.mutate({ conversationId, parts: text(`c${i}`), onBusy: 'queue' }),
      ),
    );
    const accepted = sends.flatMap((each) => (each.status === 'fulfilled' ? [each.value.turnId] : []));
    expect(accepted).toHaveLength(1 + limits.queuedTurns);
    held.release();
    for (const turnId of accepted) await watched.end(turnId);
    const { items } = await ada.conversations.messages.query({ conversationId });
    expect(items.map(({ role }) => role)).toEqual(accepted.flatMap(() => ['human', 'agent']));
    for (let i = 0; i < items.length; i += 2) expect(items[i]?.turnId).toBe(items[i + 1]?.turnId);
  });
});

describe('turns.interrupt', () => {
  it('stops the running turn and keeps the partial text; again, or of an ended turn, it is false', async () => {
    const { conversationId, turnId, watched } = await busy();
    expect(await ada.turns.interrupt.mutate({ conversationId })).toEqual({ interrupted: true });
    const ended = await watched.end(turnId);
    expect(ended.type).toBe('turn.interrupted');
    const { items } = await ada.conversations.messages.query({ conversationId });
    expect(items[1]).toMatchObject({ role: 'agent', status: 'interrupted', parts: text('Begun.') });
    expect(ended).toMatchObject({ messageId: items[1]?.id });
    expect(await ada.turns.interrupt.mutate({ conversationId, turnId })).toEqual({ interrupted: false });
    expect(await ada.turns.interrupt.mutate({ conversationId })).toEqual({ interrupted: false });
    expect(await ada.turns.get.query({ turnId })).toMatchObject({ status: 'interrupted', text: 'Begun.' });
    // What was seen is what is stored.
    expect(
      watched
        .all('agent.delta')
        .map(({ text: piece }) => piece)
        .join(''),
    ).toBe('Begun.');
    expect(
      watched
        .all('agent.text')
        .map(({ text: sentence }) => sentence)
        .join(''),
    ).toBe('Begun.');
  });

  it('before the first word there is no agent message', async () => {
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const watched = watch(ada, { conversationId });
    await watched.started;
    const requests = app.provider.requests.length;
    app.provider.script(answer(gate(), 'never'));
    const { turnId } = await ada.turns.send.mutate({ conversationId, parts: text('wait') });
    await app.provider.request(requests);
    expect(await ada.turns.interrupt.mutate({ conversationId, turnId })).toEqual({ interrupted: true });
    expect(await watched.end(turnId)).not.toHaveProperty('messageId');
    expect(await said(ada, conversationId)).toEqual(['human: wait']);
    expect(await app.provider.requests.at(-1)?.ended).toBe('aborted');
  });

  it("says NOT_FOUND for a turn of another conversation, or another user's", async () => {
    const { conversationId, turnId, held, watched } = await busy();
    const { id: other } = await ada.conversations.create.mutate({});
    expect(await reasonOf(ada.turns.interrupt.mutate({ conversationId: other, turnId }))).toBe('NOT_FOUND');
    const eve = await app.trpc('eve');
    const { id: hers } = await eve.conversations.create.mutate({});
    expect(await reasonOf(eve.turns.interrupt.mutate({ conversationId, turnId }))).toBe('NOT_FOUND');
    expect(await reasonOf(eve.turns.interrupt.mutate({ conversationId: hers, turnId }))).toBe('NOT_FOUND');
    held.release();
    expect((await watched.end(turnId)).type).toBe('turn.completed');
  });

  // Guard: an interruption that finds its turn no longer waiting looks at it again (`interruptTurn`).
  it('a queued turn that has begun when its interruption comes is interrupted', async () => {
    const { conversationId, turnId, watched, held } = await busy();
    app.provider.script(answer('Second.', gate()));
    const next = await ada.turns.send.mutate({ conversationId, parts: text('two'), onBusy: 'queue' });
    const { turns, runner } = app.server.running.app;
    const waiting = await findTurn(turns.db, next.turnId);
    expect(waiting?.status).toBe('queued');
    held.release();
    await watched.end(turnId);
    await watched.first('agent.delta', next.turnId);
    expect(waiting && (await interruptTurn(turns, runner, waiting))).toBe(true);
    expect((await watched.end(next.turnId)).type).toBe('turn.interrupted');
  });
});
