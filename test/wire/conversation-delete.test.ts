import type { EventType } from '@parley/shared/event';
import { pause } from '@parley/shared/pause';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { answer, gate } from '../support/provider.ts';
import { redisKeys } from '../support/redis-keys.ts';
import { reasonOf, type SocketClient } from '../support/stock.ts';
import { watch } from '../support/watch.ts';

const text = (words: string) => [{ type: 'text' as const, text: words }];

/** Tables in which any of these words stands anywhere. */
async function tablesWith(app: App, words: readonly string[]): Promise<string[]> {
  const { rows: tables } = await sql<{ name: string }>`
    select quote_ident(table_name) as name from information_schema.tables
    where table_schema = current_schema() and table_type = 'BASE TABLE'
  `.execute(app.database.db);
  expect(tables.length).toBeGreaterThan(8);
  const found: string[] = [];
  for (const { name } of tables) {
    const patterns = words.map((word) => `%${word}%`);
    const { rows } = await sql<{ count: string }>`
      select count(*) from ${sql.raw(name)} as row where row::text like any (${patterns})
    `.execute(app.database.db);
    if (rows[0]?.count !== '0') found.push(name);
  }
  return found;
}

describe.each([{ redis: false }, { redis: true }])('conversations.delete, redis: $redis', ({ redis }) => {
  it('while streaming: the event, then the end, then nothing of it anywhere', async () => {
    const app = await startApp({ redis });
    onTestFinished(() => app.stop());
    const ada = await app.trpc('ada');
    const title = 'heirloom-title';
    const { id: conversationId } = await ada.conversations.create.mutate({ title, metadata: { tag: 'heirloom-tag' } });
    await ada.turns.ask.mutate({ conversationId, parts: text('heirloom-question'), pageContext: 'heirloom-page' });
    const watched = watch(ada, { conversationId });
    const other = watch(await app.trpc('ada'), { conversationId });
    await Promise.all([watched.started, other.started]);
    const held = gate();
    app.provider.script(answer('heirloom-answer', held, ' more'));
    const running = await ada.turns.send.mutate({ conversationId, parts: text('heirloom-second') });
    await Promise.all([watched.first('agent.delta'), other.first('agent.delta')]);
    const waiting = await ada.turns.send.mutate({ conversationId, parts: text('heirloom-third'), onBusy: 'queue' });
    const words = ['heirloom', conversationId, running.turnId, waiting.turnId];
    expect(await tablesWith(app, words)).toContain('messages');
    if (redis) expect(await redisKeys(conversationId)).not.toEqual([]);

    expect(await ada.conversations.delete.mutate({ conversationId })).toEqual({ deleted: true });
    for (const each of [watched, other]) {
      expect(await each.ended).toBeUndefined();
      expect(each.types.at(-1)).toBe('conversation.deleted');
      expect(each.types.filter((type) => type === 'conversation.deleted')).toHaveLength(1);
    }
    expect(await app.provider.requests.at(-1)?.ended).toBe('aborted');
    const requests = app.provider.requests.length;
    expect(await tablesWith(app, words)).toEqual([]);
    if (redis) expect(await redisKeys(conversationId)).toEqual([]);

    // Gone for its owner, who may know; not there for anybody else.
    const calls = (client: typeof ada) => [
      client.turns.send.mutate({ conversationId, parts: text('x') }),
      client.turns.ask.mutate({ conversationId, parts: text('x') }),
      client.conversations.get.query({ conversationId }),
      client.conversations.messages.query({ conversationId }),
      client.conversations.open.mutate({ conversationId }),
      client.conversations.rename.mutate({ conversationId, title: 'x' }),
      client.conversations.end.mutate({ conversationId }),
      client.conversations.export.query({ conversationId }),
      client.turns.interrupt.mutate({ conversationId }),
    ];
    for (const reason of await Promise.all(calls(ada).map(reasonOf))) expect(reason).toBe('CONVERSATION_DELETED');
    const eve = await app.trpc('eve');
    for (const reason of await Promise.all(calls(eve).map(reasonOf))) expect(reason).toBe('NOT_FOUND');
    expect((await watch(ada, { conversationId }).ended)?.reason).toBe('CONVERSATION_DELETED');
    expect(await reasonOf(ada.conversations.create.mutate({ id: conversationId }))).toBe('CONVERSATION_DELETED');
    expect(await reasonOf(ada.turns.get.query({ turnId: running.turnId }))).toBe('NOT_FOUND');
    expect(await ada.conversations.delete.mutate({ conversationId })).toEqual({ deleted: true });
    expect(await reasonOf(eve.conversations.delete.mutate({ conversationId }))).toBe('NOT_FOUND');
    expect((await ada.conversations.list.query({})).total).toBe(0);
    // Nothing of it came back with those calls.
    held.release();
    expect(app.provider.requests.length).toBe(requests);
    expect(await tablesWith(app, words)).toEqual([]);
    expect(app.log.join('')).not.toContain('heirloom');
  });
});

describe('what is on its way when the conversation is deleted', () => {
  let app: App;
  let ada: SocketClient;
  beforeAll(async () => {
    app = await startApp({ redis: true });
    ada = await app.trpc('ada');
  });
  afterAll(() => app.stop());

  // Guard: the look at the conversation behind the look at its log, and what it erases (`findEntry`).
  it.each(['events', 'open', 'get'] as const)('is told so when it asks where to begin: %s', async (procedure) => {
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const { log } = app.server.running.app.turns;
    const head = log.head.bind(log);
    const spy = vi.spyOn(log, 'head').mockImplementationOnce(async (id) => {
      await ada.conversations.delete.mutate({ conversationId });
      return await head(id);
    });
    const told = {
      events: () => watch(ada, { conversationId }).ended.then((failure) => failure?.reason),
      open: () => reasonOf(ada.conversations.open.mutate({ conversationId })),
      get: () => reasonOf(ada.conversations.get.query({ conversationId })),
    };
    expect(await told[procedure]()).toBe('CONVERSATION_DELETED');
    spy.mockRestore();
    expect(await redisKeys(conversationId)).toEqual([]);
  });

  /** Deletes the conversation when an event of this type is about to be appended to its log; resolves when that is done. */
  function deletedBefore(type: EventType, conversationId: string): Promise<unknown> {
    const { log } = app.server.running.app.turns;
    const append = log.append.bind(log);
    const deleted = Promise.withResolvers<unknown>();
    const spy = vi.spyOn(log, 'append').mockImplementation(async (what) => {
      if (what.conversationId === conversationId && what.events.some((event) => event.type === type)) {
        spy.mockRestore();
        const deleting = ada.conversations.delete.mutate({ conversationId });
        deleted.resolve(deleting);
        // Some of what is on its way is waited for by the deletion itself.
        await Promise.race([deleting, pause(300)]);
      }
      return await append(what);
    });
    return deleted.promise;
  }

  // Guard: the look at the conversation behind the append, and what it erases (`publish`).
  it('does not come back by an event of its own', async () => {
    const { id: conversationId } = await ada.conversations.create.mutate({ title: 'Before' });
    const deleted = deletedBefore('conversation.updated', conversationId);
    await ada.conversations.rename.mutate({ conversationId, title: 'heirloom-title' });
    await deleted;
    expect(await redisKeys(conversationId)).toEqual([]);
  });

  // Guard: a deletion waits for turns that have ended and whose end is being told (`listUnfinished`).
  it('does not come back by the end of a turn', async () => {
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const deleted = deletedBefore('turn.completed', conversationId);
    await Promise.allSettled([ada.turns.ask.mutate({ conversationId, parts: text('heirloom-question') })]);
    await deleted;
    await app.server.running.app.runner.idle();
    expect(await redisKeys(conversationId)).toEqual([]);
  });
});
