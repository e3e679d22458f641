import { newId } from '@parley/shared/id';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { type Failure, failureOf, type HttpClient, httpClient } from '../support/stock.ts';
import { watch } from '../support/watch.ts';

let app: App;
beforeAll(async () => {
  app = await startApp({ model: 'echo:1' });
});
afterAll(() => app.stop());

const text = (words: string) => [{ type: 'text' as const, text: words }];

/** Every call that names a conversation or a turn. */
function calls(client: HttpClient, conversationId: string, turnId: string): Record<string, () => Promise<unknown>> {
  const { conversations, turns } = client;
  return {
    'conversations.get': () => conversations.get.query({ conversationId }),
    'conversations.messages': () => conversations.messages.query({ conversationId }),
    'conversations.open': () => conversations.open.mutate({ conversationId }),
    'conversations.rename': () => conversations.rename.mutate({ conversationId, title: 'taken' }),
    'conversations.end': () => conversations.end.mutate({ conversationId }),
    'conversations.delete': () => conversations.delete.mutate({ conversationId }),
    'conversations.export': () => conversations.export.query({ conversationId }),
    'conversations.create': () => conversations.create.mutate({ id: conversationId }),
    'turns.send': () => turns.send.mutate({ conversationId, parts: text('x') }),
    'turns.ask': () => turns.ask.mutate({ conversationId, parts: text('x') }),
    'turns.interrupt': () => turns.interrupt.mutate({ conversationId, turnId }),
    'turns.get': () => turns.get.query({ turnId }),
    'turns.retry': () => turns.retry.mutate({ turnId }),
  };
}

/** What a failure tells, but for its trace. */
function told({ shape }: Failure): string {
  return JSON.stringify(shape).replace(/"traceId":"[0-9a-f]{32}"/, '"traceId":""');
}

describe("somebody else's conversation", () => {
  it.each([
    ['another user of the tenant', 'eve', {}],
    ['the same user id in another tenant', 'ada', { tenant: 'globex' }],
    ['an admin of another tenant', 'root', { tenant: 'globex', admin: true }],
  ])('is NOT_FOUND for %s, exactly as one that does not exist', async (_, user, options) => {
    const ada = await app.http('ada');
    const { id } = await ada.conversations.create.mutate({ title: 'private words' });
    const { turn } = await ada.turns.ask.mutate({ conversationId: id, parts: text('private words') });
    const before = await ada.conversations.export.query({ conversationId: id });
    const stranger = await app.http(user, options);
    const absent = calls(stranger, newId(), newId());
    for (const [path, call] of Object.entries(calls(stranger, id, turn.id))) {
      const failure = await failureOf(call());
      expect([path, failure.reason]).toEqual([path, 'NOT_FOUND']);
      expect(JSON.stringify(failure.shape)).not.toContain('private');
      const nothing = absent[path];
      // A new id can be created, and only that one.
      if (nothing && path !== 'conversations.create') expect(told(failure)).toBe(told(await failureOf(nothing())));
    }
    const socket = await app.trpc(user, options);
    const [foreign, missing] = [id, newId()].map((conversationId) => watch(socket, { conversationId }).ended);
    expect(told((await foreign) ?? expect.fail())).toBe(told((await missing) ?? expect.fail()));
    const after = await ada.conversations.export.query({ conversationId: id });
    expect({ ...after, exportedAt: before.exportedAt }).toEqual(before);
    expect((await stranger.conversations.list.query({ search: 'private' })).total).toBe(0);
  });

  it("a turn id that is somebody else's tells nothing of them", async () => {
    const ada = await app.http('ada');
    const { id } = await ada.conversations.create.mutate({});
    const { turn } = await ada.turns.ask.mutate({ conversationId: id, parts: text('private words') });
    const eve = await app.http('eve');
    const { id: hers } = await eve.conversations.create.mutate({});
    const failure = await failureOf(
      eve.turns.send.mutate({ conversationId: hers, turnId: turn.id, parts: text('private words') }),
    );
    expect(failure.reason).toBe('NOT_FOUND');
    expect((await eve.turns.ask.mutate({ conversationId: hers, parts: text('mine') })).turn.status).toBe('completed');
  });

  it("does not reach another user's prompt", async () => {
    const ada = await app.http('ada');
    await ada.account.updateProfile.mutate({ nickname: 'SecretAda' });
    const { id } = await ada.conversations.forContext.mutate({ contextType: 'shared', contextId: '1' });
    await ada.turns.ask.mutate({ conversationId: id, parts: text('private words') });
    const eve = await app.http('eve');
    const { id: hers } = await eve.conversations.forContext.mutate({ contextType: 'shared', contextId: '1' });
    await eve.turns.ask.mutate({ conversationId: hers, parts: text('hello') });
    const prompt = JSON.stringify(app.provider.requests.at(-1)?.body);
    expect(prompt).not.toMatch(/private|SecretAda/);
  });
});

describe('an error', () => {
  it('speaks the language of its user, on every transport', async () => {
    const wanted = { conversationId: newId() };
    const plain = await app.http('guest');
    expect((await failureOf(plain.conversations.get.query(wanted))).message).toBe('This does not exist.');
    const accepts = await app.http('guest', { headers: { 'accept-language': 'zh-CN,zh;q=0.9' } });
    expect((await failureOf(accepts.conversations.get.query(wanted))).message).toBe('未找到。');
    const socket = await app.trpc('guest', { locale: 'zh' });
    expect((await failureOf(socket.conversations.get.query(wanted))).message).toBe('未找到。');
    // What a user has set goes before what a browser says.
    const zhang = await app.http('zhang', { headers: { 'accept-language': 'en' } });
    await zhang.account.updateProfile.mutate({ locale: 'zh-TW' });
    expect((await failureOf(zhang.conversations.get.query(wanted))).message).toBe('未找到。');
    const nobody = httpClient(app.url, { 'accept-language': 'zh' });
    expect((await failureOf(nobody.account.me.query())).message).toBe('请重新登录。');
  });

  it('carries reason, retryable and a trace, and never a stack, SQL, a path or what was sent', async () => {
    const client = await app.http('curious', { headers: { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` } });
    const { id } = await client.conversations.create.mutate({ title: 'a' });
    // The query is wrong in the database, not in its input: as a fault of the server's own.
    await app.database.db.schema.alterTable('erasures').renameTo('erasures_away').execute();
    const broken = await failureOf(client.conversations.get.query({ conversationId: newId() }));
    await app.database.db.schema.alterTable('erasures_away').renameTo('erasures').execute();
    expect(broken).toMatchObject({ reason: 'INTERNAL', message: 'Something went wrong.', details: undefined });
    const failures = [
      broken,
      await failureOf(client.conversations.create.mutate({ id, title: "'; drop table users; --" })),
      await failureOf(client.conversations.list.query({ cursor: "'; select 1" })),
      await failureOf(client.conversations.rename.mutate({ conversationId: id, title: 'x'.repeat(5_000) })),
      await failureOf(client.turns.get.query({ turnId: '/etc/passwd' })),
    ];
    for (const { shape } of failures) {
      expect(shape).toMatchObject({ data: { reason: expect.any(String), retryable: false, traceId: 'a'.repeat(32) } });
      const all = JSON.stringify(shape);
      expect(all).not.toMatch(
        /stack|\.ts\b|\bat \w+ \(|select |insert |relation|erasures|\/work|node_modules|drop table|xxxx/,
      );
    }
    const line = app.log.find((each) => each.includes('call failed'));
    expect(JSON.parse(line ?? '{}')).toMatchObject({ reason: 'INTERNAL', traceId: 'a'.repeat(32), level: 'error' });
  });

  it('of the log: no line holds what was said, asked, titled or shown as credential', async () => {
    const user = await app.trpc('logged');
    const token = await app.token('logged');
    const words = ['lantern-text', 'lantern-title', 'lantern-nickname', 'lantern-page', 'lantern-search'];
    const { id } = await user.conversations.create.mutate({ title: words[1] ?? '' });
    await user.account.updateProfile.mutate({ nickname: words[2] ?? '' });
    await user.turns.ask.mutate({ conversationId: id, parts: text('lantern-text'), pageContext: 'lantern-page' });
    await user.turns.ask.mutate({ conversationId: id, parts: text('lantern-text'), model: 'cut:1' });
    await user.conversations.list.query({ search: 'lantern-search' });
    await failureOf(user.conversations.create.mutate({ id, title: 'lantern-title-2' }));
    await failureOf(user.conversations.rename.mutate({ conversationId: id, title: 'lantern-title'.repeat(50) }));
    const log = app.log.join('\n');
    expect(log).toContain('call refused');
    for (const word of [...words, 'lantern', token.slice(-20), 'Bearer']) expect(log).not.toContain(word);
  });
});
