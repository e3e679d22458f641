import { expect, it, onTestFinished } from 'vitest';
import { startApp } from '../support/app.ts';
import { answer, gate, refusal } from '../support/provider.ts';
import { reasonOf } from '../support/stock.ts';
import { watch } from '../support/watch.ts';

const text = (words: string) => [{ type: 'text' as const, text: words }];

it('conversations.export gives all messages, turns, kept events and metrics of a conversation', async () => {
  const app = await startApp({ env: { MODEL_ATTEMPTS: '1' } });
  onTestFinished(() => app.stop());
  const ada = await app.trpc('ada');
  const { id: conversationId } = await ada.conversations.create.mutate({ title: 'Life', metadata: { a: 1 } });
  const { greetingTurnId, lastEventId } = await ada.conversations.open.mutate({ conversationId });
  const watched = watch(ada, { conversationId, lastEventId });
  await watched.end(greetingTurnId ?? '');
  for (let i = 0; i < 55; i++) await ada.turns.ask.mutate({ conversationId, parts: text(`m${i}`) });
  app.provider.script(refusal(500));
  const { turn: failed } = await ada.turns.ask.mutate({ conversationId, parts: text('fails') });
  const retried = await ada.turns.retry.mutate({ turnId: failed.id });
  await watched.end(retried.turnId);
  app.provider.script(answer('Half', gate()));
  const cut = await ada.turns.send.mutate({ conversationId, parts: text('cut'), pageContext: { page: 'p' } });
  await watched.first('agent.delta', cut.turnId);
  await ada.turns.interrupt.mutate({ conversationId });
  await ada.conversations.rename.mutate({ conversationId, title: 'Whole life' });
  await watched.first('conversation.updated');

  const whole = await ada.conversations.export.query({ conversationId });
  expect(whole.version).toBe(1);
  expect(whole.conversation).toMatchObject({ id: conversationId, title: 'Whole life', metadata: { a: 1 } });
  expect(whole.messages).toHaveLength(1 + 110 + 2 + 2);
  expect(whole.messages).toHaveLength(whole.conversation.messageCount);
  const first = await ada.conversations.messages.query({ conversationId, limit: 100 });
  const second = await ada.conversations.messages.query({ conversationId, cursor: first.nextCursor });
  expect(whole.messages).toEqual([...first.items, ...second.items]);
  expect(whole.turns).toHaveLength(1 + 55 + 3);
  for (const turn of whole.turns) expect(turn).toMatchObject(await ada.turns.get.query({ turnId: turn.id }));
  expect(whole.turns.every(({ metrics }) => metrics !== undefined && metrics.totalMs > 0)).toBe(true);
  const last = whole.turns.slice(-3);
  expect(last.map(({ status }) => status)).toEqual(['failed', 'completed', 'interrupted']);
  expect(last[1]?.retryOf).toBe(failed.id);
  expect(last[2]?.request).toMatchObject({ parts: text('cut'), pageContext: { page: 'p' } });
  expect(whole.turns[0]).toMatchObject({ id: greetingTurnId, input: 'greeting', userMessageId: null });
  // Every event since the conversation was opened, as its subscriber saw it.
  expect(whole.events).toEqual(watched.seen);
  // What goes out is JSON: it survives a file.
  expect(JSON.parse(JSON.stringify(whole)).messages).toHaveLength(whole.messages.length);
  const eve = await app.trpc('eve');
  expect(await reasonOf(eve.conversations.export.query({ conversationId }))).toBe('NOT_FOUND');
});
