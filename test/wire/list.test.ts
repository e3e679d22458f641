import { newId } from '@parley/shared/id';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { answer, gate } from '../support/provider.ts';
import { reasonOf, type SocketClient } from '../support/stock.ts';

let app: App;
let ada: SocketClient;
beforeAll(async () => {
  app = await startApp({ model: 'echo:1' });
  ada = await app.trpc('ada');
});
afterAll(() => app.stop());

const text = (words: string) => [{ type: 'text' as const, text: words }];
const titles = (page: { items: { title: string | null }[] }) => page.items.map(({ title }) => title);

/** A user of the test's own with conversations of these titles, oldest first. */
async function userWith(name: string, made: readonly string[]) {
  const user = await app.trpc(name);
  const ids: string[] = [];
  for (const title of made) ids.push((await user.conversations.create.mutate({ title })).id);
  return { user, ids };
}

/** All pages of a list. */
async function pages<Item>(
  page: (cursor: string | undefined) => Promise<{ items: Item[]; nextCursor: string | null; total: number }>,
  between: (number: number) => Promise<void> = async () => {},
): Promise<Item[][]> {
  const all: Item[][] = [];
  let cursor: string | undefined;
  do {
    const { items, nextCursor } = await page(cursor);
    all.push(items);
    cursor = nextCursor ?? undefined;
    await between(all.length);
  } while (cursor !== undefined);
  return all;
}

describe('conversations.list', () => {
  it('pages over 45 conversations, newest activity first, 20 a page', async () => {
    const names = Array.from({ length: 45 }, (_, i) => `c${i}`);
    const { user } = await userWith('pager', names);
    const all = await pages((cursor) => user.conversations.list.query({ ...(cursor && { cursor }) }));
    expect(all.map(({ length }) => length)).toEqual([20, 20, 5]);
    expect(all.flat().map(({ title }) => title)).toEqual(names.toReversed());
    expect((await user.conversations.list.query({})).total).toBe(45);
    expect((await user.conversations.list.query({ limit: 45 })).nextCursor).toBeNull();
    expect((await user.conversations.list.query()).items).toHaveLength(20);
  });

  it('activity while somebody pages neither repeats nor hides what was not active', async () => {
    const names = Array.from({ length: 45 }, (_, i) => `c${i}`);
    const { user, ids } = await userWith('busy', names);
    // One that was seen already, one that is still to come, and a new one move to the front between pages.
    const active = [44, 3].map((i) => ids[i] ?? '');
    const all = await pages(
      (cursor) => user.conversations.list.query({ limit: 10, ...(cursor && { cursor }) }),
      async (number) => {
        if (number !== 1) return;
        for (const conversationId of active) await user.turns.ask.mutate({ conversationId, parts: text('hi') });
        await user.conversations.create.mutate({ title: 'new' });
      },
    );
    const seen = all.flat().map(({ title }) => title);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toEqual(names.toReversed().filter((name) => name !== 'c3'));
    expect(titles(await user.conversations.list.query({ limit: 3 }))).toEqual(['new', 'c3', 'c44']);
  });

  it('conversations of one millisecond are paged without loss', async () => {
    const names = Array.from({ length: 12 }, (_, i) => `m${i}`);
    const { user } = await userWith('moment', names);
    await sql`update conversations set created_at = '2024-01-01T00:00:00.123Z' where user_id = 'moment'`.execute(
      app.database.db,
    );
    const all = await pages((cursor) => user.conversations.list.query({ limit: 5, ...(cursor && { cursor }) }));
    expect(
      all
        .flat()
        .map(({ title }) => title)
        .sort(),
    ).toEqual(names.sort());
  });

  it('shows the last message as a preview and moves up with it', async () => {
    const { user, ids } = await userWith('talker', ['first', 'second']);
    const [conversationId = ''] = ids;
    await user.turns.ask.mutate({ conversationId, parts: text(`line one\n\n  line   two ${'x'.repeat(300)}`) });
    const { items } = await user.conversations.list.query({});
    expect(items.map(({ title }) => title)).toEqual(['first', 'second']);
    expect(items[0]?.preview).toMatch(/^You said: line one line two x+$/);
    expect(items[0]?.preview?.length).toBeLessThanOrEqual(140);
    expect(items[0]).toMatchObject({ messageCount: 2, lastMessageAt: expect.any(Date) });
    expect(items[1]).toMatchObject({ preview: null, messageCount: 0, lastMessageAt: null });
  });

  it('shows what was taken back as a preview when it is the last message', async () => {
    const { user, ids } = await userWith('hesitant', ['waits']);
    const [conversationId = ''] = ids;
    const held = gate();
    app.provider.script(answer('Begun.', held, ' Done.'));
    const preview = async () => (await user.conversations.list.query({})).items[0]?.preview;
    const running = await user.turns.send.mutate({ conversationId, parts: text('one') });
    const waiting = await user.turns.send.mutate({ conversationId, parts: text('two'), onBusy: 'queue' });
    const later = await user.turns.send.mutate({ conversationId, parts: text('three'), onBusy: 'queue' });
    expect(await preview()).toBe('three');
    await user.turns.interrupt.mutate({ conversationId, turnId: later.turnId });
    await user.turns.interrupt.mutate({ conversationId, turnId: waiting.turnId });
    expect(await preview()).toBe('two');
    const { items } = await user.conversations.messages.query({ conversationId });
    expect(items.at(-1)?.turnId).toBe(waiting.turnId);
    await user.turns.interrupt.mutate({ conversationId, turnId: running.turnId });
    held.release();
    expect(await preview()).toBe('Begun.');
  });

  it('never shows a deleted one, nor counts it', async () => {
    const { user, ids } = await userWith('deleter', ['keep', 'drop']);
    await user.conversations.delete.mutate({ conversationId: ids[1] ?? '' });
    const page = await user.conversations.list.query({});
    expect([titles(page), page.total]).toEqual([['keep'], 1]);
  });

  it('filters by status and context', async () => {
    const { user, ids } = await userWith('filter', ['a', 'b', 'c']);
    await user.conversations.end.mutate({ conversationId: ids[1] ?? '' });
    await user.conversations.forContext.mutate({ contextType: 'order', contextId: '1' });
    await user.conversations.forContext.mutate({ contextType: 'invoice', contextId: '1' });
    const list = user.conversations.list;
    expect(titles(await list.query({ status: 'ended' }))).toEqual(['b']);
    expect((await list.query({ status: 'active' })).total).toBe(4);
    const orders = await list.query({ contextType: 'order' });
    expect(orders).toMatchObject({ total: 1, items: [{ context: { type: 'order', id: '1' } }] });
    expect((await list.query({ contextType: 'nothing' })).items).toEqual([]);
  });

  it('searches titles and previews as text: case, %, _, \\ and Chinese', async () => {
    const made = ['100% wool', '100 percent', 'snake_case', 'snakeXcase', 'back\\slash', '北京的童年', 'Déjà Vu'];
    const { user, ids } = await userWith('searcher', made);
    const found = async (search: string) => titles(await user.conversations.list.query({ search })).sort();
    expect(await found('100%')).toEqual(['100% wool']);
    expect(await found('%')).toEqual(['100% wool']);
    expect(await found('snake_case')).toEqual(['snake_case']);
    expect(await found('_')).toEqual(['snake_case']);
    expect(await found('\\')).toEqual(['back\\slash']);
    expect(await found('童年')).toEqual(['北京的童年']);
    expect(await found('DÉJÀ')).toEqual(['Déjà Vu']);
    expect(await found("' or 1=1 --")).toEqual([]);
    expect(await found('  ')).toHaveLength(made.length);
    await user.turns.ask.mutate({ conversationId: ids[1] ?? '', parts: text('外婆的故事') });
    expect(await found('外婆')).toEqual(['100 percent']);
    const page = await user.conversations.list.query({ search: '100', limit: 1 });
    expect(page).toMatchObject({ total: 2, nextCursor: expect.any(String) });
  });

  it("lists nobody else's", async () => {
    await userWith('neighbour', ['theirs']);
    const stranger = await app.trpc('neighbour', { tenant: 'globex' });
    expect(await stranger.conversations.list.query({})).toEqual({ items: [], nextCursor: null, total: 0 });
  });

  it('refuses limits out of 1–100 and cursors that are not its own', async () => {
    const list = (input: object) => reasonOf(ada.conversations.list.query(input));
    for (const limit of [0, 101, -1, 1.5, Number.MAX_SAFE_INTEGER]) expect(await list({ limit })).toBe('INVALID_INPUT');
    await ada.conversations.list.query({ limit: 100 });
    const bad = ['x', 'MTIz', "' or 1", Buffer.from(`9999999999999999 ${newId()}`).toString('base64url')];
    for (const cursor of bad) expect([cursor, await list({ cursor })]).toEqual([cursor, 'INVALID_INPUT']);
    expect(await list({ status: 'deleted' })).toBe('INVALID_INPUT');
  });
});

describe('conversations.messages', () => {
  let conversationId = '';
  const count = 27;
  beforeAll(async () => {
    conversationId = (await ada.conversations.create.mutate({})).id;
    for (let i = 0; i < count; i++) await ada.turns.ask.mutate({ conversationId, parts: text(`m${i}`) });
  });
  const wordsOf = (items: { parts: { type: string }[] }[]) =>
    items.map(({ parts: [part] }) => (part && 'text' in part ? part.text : ''));

  it('pages in both orders, with a total that counts them all', async () => {
    const expected = Array.from({ length: count }, (_, i) => [`m${i}`, `You said: m${i}.`]).flat();
    for (const order of ['asc', 'desc'] as const) {
      const all = await pages((cursor) =>
        ada.conversations.messages.query({ conversationId, order, limit: 10, ...(cursor && { cursor }) }),
      );
      expect(all.map(({ length }) => length)).toEqual([10, 10, 10, 10, 10, 4]);
      expect(wordsOf(all.flat())).toEqual(order === 'asc' ? expected : expected.toReversed());
    }
    const page = await ada.conversations.messages.query({ conversationId });
    expect(page).toMatchObject({ total: 2 * count, nextCursor: expect.any(String) });
    expect(page.items).toHaveLength(50);
    expect((await ada.conversations.messages.query({ conversationId, limit: 100 })).nextCursor).toBeNull();
  });

  it('has strictly increasing times and a shape without empty fields', async () => {
    const { items } = await ada.conversations.messages.query({ conversationId, limit: 100 });
    const times = items.map(({ createdAt }) => createdAt.getTime());
    expect(times.every((time, i) => i === 0 || time > (times[i - 1] ?? Infinity))).toBe(true);
    const keys = ['conversationId', 'createdAt', 'id', 'kind', 'parts', 'role', 'status', 'turnId'];
    for (const item of items) expect(Object.keys(item).sort()).toEqual(keys);
  });

  it('refuses limits, orders and cursors that are not its own', async () => {
    const read = (input: object) => reasonOf(ada.conversations.messages.query({ conversationId, ...input }));
    for (const limit of [0, 101]) expect(await read({ limit })).toBe('INVALID_INPUT');
    expect(await read({ order: 'random' })).toBe('INVALID_INPUT');
    const { nextCursor } = await ada.conversations.list.query({ limit: 1 });
    const other = nextCursor ?? 'another list has no cursor';
    for (const cursor of ['x', Buffer.from('9999999999999999').toString('base64url'), other])
      expect([cursor, await read({ cursor })]).toEqual([cursor, 'INVALID_INPUT']);
    expect(await read({ conversationId: newId() })).toBe('NOT_FOUND');
  });

  it('reading on after a page gives what has come since', async () => {
    const { id } = await ada.conversations.create.mutate({});
    await ada.turns.ask.mutate({ conversationId: id, parts: text('one') });
    const first = await ada.conversations.messages.query({ conversationId: id, limit: 1 });
    await ada.turns.ask.mutate({ conversationId: id, parts: text('two') });
    const rest = await ada.conversations.messages.query({ conversationId: id, cursor: first.nextCursor });
    expect(wordsOf([...first.items, ...rest.items])).toEqual(['one', 'You said: one.', 'two', 'You said: two.']);
  });
});
