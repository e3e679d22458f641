import { createApiKey, revokeApiKey } from '@parley/db/repository/api-key';
import { approveUser, suspendUser } from '@parley/db/repository/user';
import { makeKey } from '@parley/server/account/key';
import type { Scope } from '@parley/shared/account';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { failureOf, httpClient, openSocket, reasonOf } from '../support/stock.ts';
import { watch } from '../support/watch.ts';

let app: App;
beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.stop());

const withToken = (token: string) => httpClient(app.url, { authorization: `Bearer ${token}` });

async function keyOf(tenant: string, scopes: readonly Scope[]) {
  const { id, key, secretHash } = makeKey();
  await app.database.db
    .insertInto('tenants')
    .values({ id: tenant })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  await createApiKey(app.database.db, tenant, { id, name: 'test', secretHash, scopes, createdBy: 'root' });
  return { id, key };
}
const withKey = (key: string, user?: string) =>
  httpClient(app.url, { authorization: `Bearer ${key}`, ...(user !== undefined && { 'x-parley-user': user }) });

describe('an API key', () => {
  it('acts for a named user of its tenant, who is made at first sight; it is no user by itself', async () => {
    const { key } = await keyOf('keys', ['chat']);
    expect(await withKey(key, 'kim').account.me.query()).toMatchObject({
      user: { id: 'kim', tenant: 'keys' },
      scopes: ['chat'],
      roles: [],
      approved: true,
    });
    const named = httpClient(app.url, {
      authorization: `Bearer ${key}`,
      'x-parley-user': Buffer.from('金').toString('latin1'),
    });
    expect((await named.account.me.query()).user.id).toBe('金');
    expect(await reasonOf(withKey(key).account.me.query())).toBe('INVALID_INPUT');
    expect(await reasonOf(withKey(key, ' ').account.me.query())).toBe('INVALID_INPUT');
    expect(await reasonOf(withKey(key, 'x'.repeat(300)).account.me.query())).toBe('INVALID_INPUT');
  });

  it('acts over a WebSocket too, and sees what its user sees', async () => {
    const { key } = await keyOf('acme', ['chat']);
    const ada = await app.http('ada');
    const { id } = await ada.conversations.create.mutate({ title: 'Shared' });
    const socket = openSocket(app.ws, { token: key, user: 'ada' });
    const other = openSocket(app.ws, { token: key, user: 'eve' });
    expect((await socket.client.conversations.get.query({ conversationId: id })).title).toBe('Shared');
    expect(await reasonOf(other.client.conversations.get.query({ conversationId: id }))).toBe('NOT_FOUND');
    await Promise.all([socket.close(), other.close()]);
  });

  it('says SCOPE_MISSING for what it may not, naming the scope', async () => {
    const { key } = await keyOf('keys', ['voice', 'files']);
    const failure = await failureOf(withKey(key, 'kim').conversations.list.query({}));
    expect(failure).toMatchObject({ reason: 'SCOPE_MISSING', details: { scope: 'chat' }, retryable: false });
  });

  it('is refused when its secret, its id or its form is another', async () => {
    const { key, id } = await keyOf('keys', ['chat']);
    const other = makeKey();
    const secret = key.split('_').at(-1) ?? '';
    const flipped = `${secret.startsWith('A') ? 'B' : 'A'}${secret.slice(1)}`;
    const wrong = [
      other.key,
      `pk_${id}_${flipped}`,
      `pk_${other.id}_${secret}`,
      `${key}x`,
      `pk_${id}_`,
      'pk_',
      `pk_${id}`,
    ];
    for (const each of wrong) expect(await reasonOf(withKey(each, 'kim').account.me.query())).toBe('UNAUTHENTICATED');
  });
});

describe('a user', () => {
  it('unknown, with AUTH_PROVISION=closed, is refused and not made', async () => {
    const closed = await startApp({ env: { AUTH_PROVISION: 'closed' } });
    try {
      expect(await reasonOf((await closed.http('nobody')).account.me.query())).toBe('UNAUTHENTICATED');
      expect(await closed.database.db.selectFrom('users').selectAll().execute()).toEqual([]);
    } finally {
      await closed.stop();
    }
  });
});

// These wait for a look at the database that comes every two seconds: all at once.
describe.concurrent('what ends while it lasts', () => {
  it('a key that is revoked: no more calls, and its subscriptions end within 5 s', async () => {
    const { key, id } = await keyOf('keys', ['chat']);
    const { id: conversationId } = await withKey(key, 'kim').conversations.create.mutate({});
    // The first call of its connection is the subscription.
    const socket = openSocket(app.ws, { token: key, user: 'kim' });
    const watched = watch(socket.client, { conversationId });
    await watched.started;
    await revokeApiKey(app.database.db, 'keys', id);
    const from = performance.now();
    expect((await watched.ended)?.reason).toBe('UNAUTHENTICATED');
    expect(performance.now() - from).toBeLessThan(5_000);
    expect(await reasonOf(socket.client.conversations.list.query({}))).toBe('UNAUTHENTICATED');
    await socket.close();
  });

  it('a user who is suspended: FORBIDDEN, and the subscriptions end within 5 s', async () => {
    const token = await app.token('sam');
    const socket = openSocket(app.ws, { token });
    const { id: conversationId } = await socket.client.conversations.create.mutate({});
    const watched = watch(socket.client, { conversationId });
    await watched.started;
    await suspendUser(app.database.db, 'acme', 'sam');
    const from = performance.now();
    expect((await watched.ended)?.reason).toBe('FORBIDDEN');
    expect(performance.now() - from).toBeLessThan(5_000);
    const calls = [socket.client.account.me.query(), withToken(token).turns.get.query({ turnId: conversationId })];
    expect(await Promise.all(calls.map(reasonOf))).toEqual(['FORBIDDEN', 'FORBIDDEN']);
    // Guard: the connection does not hold the end against who is let in again.
    expect((await watch(socket.client, { conversationId }).ended)?.reason).toBe('FORBIDDEN');
    await approveUser(app.database.db, 'acme', 'sam');
    const again = watch(socket.client, { conversationId });
    await Promise.race([again.started, again.ended]);
    await socket.client.conversations.rename.mutate({ conversationId, title: 'back' });
    expect((await again.first('conversation.updated')).conversation.title).toBe('back');
    await socket.close();
  });

  // Guard: what tRPC's own handler takes for a subscription is refused there, and Parley reads `batch` as tRPC does.
  it.each(['conversations.events?', 'conversations%252Eevents?', 'conversations.events?batch=0&batch=1&'])(
    'an SSE stream with its user, spelled as %s',
    { timeout: 15_000 },
    async (spelling) => {
      const user = `spelling-${spelling.length}`;
      const token = await app.token(user);
      const { id: conversationId } = await withToken(token).conversations.create.mutate({});
      const input = encodeURIComponent(JSON.stringify({ json: { conversationId } }));
      const headers = { authorization: `Bearer ${token}`, accept: 'text/event-stream' };
      const stream = await fetch(`${app.url}/trpc/${spelling}input=${input}`, { headers });
      await suspendUser(app.database.db, 'acme', user);
      expect(await stream.text()).toMatch(/event: serialized-error\n.*"(FORBIDDEN|NOT_FOUND)"/);
    },
  );

  it('a user who is not approved: may see the account, and nothing else', async () => {
    const token = await app.token('waiting');
    const client = withToken(token);
    await client.account.me.query();
    await app.database.db.updateTable('users').set({ approved: false }).where('id', '=', 'waiting').execute();
    const outcome = async () => {
      try {
        await client.conversations.create.mutate({});
        return 'let in';
      } catch (error) {
        return (await failureOf(Promise.reject(error))).reason;
      }
    };
    // Who was good a moment ago is remembered for two seconds.
    await expect.poll(outcome, { timeout: 5_000 }).toBe('NOT_APPROVED');
    expect((await client.account.me.query()).approved).toBe(false);
    expect(await reasonOf(client.turns.get.query({ turnId: crypto.randomUUID() }))).toBe('NOT_APPROVED');
    const socket = openSocket(app.ws, { token });
    expect((await watch(socket.client, { conversationId: crypto.randomUUID() }).ended)?.reason).toBe('NOT_APPROVED');
    await socket.close();
    await app.database.db.updateTable('users').set({ approved: true }).where('id', '=', 'waiting').execute();
    expect(await outcome()).toBe('let in');
  });

  it('a token that expires ends the subscription within 5 s, with no event after; a fresh one goes on', async () => {
    const token = await app.token('short');
    const long = openSocket(app.ws, { token });
    const { id: conversationId } = await long.client.conversations.create.mutate({});
    const brief = await app.token('short', { lifetime: 4 });
    const { exp = 0 } = decodeJwt(brief);
    const short = openSocket(app.ws, { token: brief });
    const [ends, stays] = [watch(short.client, { conversationId }), watch(long.client, { conversationId })];
    await Promise.all([ends.started, stays.started]);
    const input = encodeURIComponent(JSON.stringify({ json: { conversationId } }));
    const headers = { authorization: `Bearer ${brief}` };
    const stream = await fetch(`${app.url}/trpc/conversations.events?input=${input}`, { headers });
    const body = stream.text();
    await long.client.conversations.rename.mutate({ conversationId, title: 'before' });
    const failure = await ends.ended;
    expect(failure).toMatchObject({ reason: 'UNAUTHENTICATED', details: { cause: 'expired' } });
    expect(Date.now()).toBeLessThan(exp * 1000 + 5_000);
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000);
    expect(await body).toMatch(/before[\s\S]*event: serialized-error\n.*UNAUTHENTICATED/);
    await long.client.conversations.rename.mutate({ conversationId, title: 'after' });
    await stays.find((event) => event.type === 'conversation.updated' && event.conversation.title === 'after');
    expect(ends.all('conversation.updated').map(({ conversation }) => conversation.title)).toEqual(['before']);
    expect(await reasonOf(short.client.account.me.query())).toBe('UNAUTHENTICATED');
    const fresh = openSocket(app.ws, { token });
    const lastEventId = ends.seen.at(-1)?.id ?? '';
    const resumed = watch(fresh.client, { conversationId, lastEventId });
    expect((await resumed.first('conversation.updated')).conversation.title).toBe('after');
    await Promise.all([long.close(), short.close(), fresh.close()]);
  });
});
