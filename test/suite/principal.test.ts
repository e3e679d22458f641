import { connect, type Db } from '@parley/db/connect';
import { createApiKey, listApiKeys, revokeApiKey } from '@parley/db/repository/api-key';
import { approveUser, listUsers, provisionUser, suspendUser, updateProfile } from '@parley/db/repository/user';
import { makeKey } from '@parley/server/account/key';
import { Credentials, type CredentialsOptions, type Principal } from '@parley/server/account/principal';
import { signToken, type Verifier, verifiersFor } from '@parley/server/account/token';
import { Session } from '@parley/server/rpc/session';
import { ParleyError } from '@parley/shared/reason';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { freshDatabase } from '../support/database.ts';
import type { FreshDatabase } from '../support/postgres.ts';

const secret = 'a secret of at least thirty-two bytes';
let fresh: FreshDatabase;
let db: Db;
let verifiers: Verifier[];
const made: Credentials[] = [];

beforeAll(async () => {
  fresh = await freshDatabase();
  db = fresh.db;
  verifiers = await verifiersFor([{ type: 'secret', secret }]);
});
afterEach(async () => {
  await Promise.all(made.splice(0).map((credentials) => credentials.close()));
});
afterAll(async () => {
  await fresh.drop();
});

function credentials(options: Partial<CredentialsOptions> = {}): Credentials {
  const built = new Credentials({ db, verifiers, provision: 'auto', ...options });
  made.push(built);
  return built;
}

const token = (user: string, tenant = 'acme', lifetime = 3600) => signToken({ secret, user, tenant, lifetime });

async function apiKey(tenant: string, scopes: string[] = ['chat']) {
  await provisionUser(db, tenant, 'admin');
  const { id, key, secretHash } = makeKey();
  await createApiKey(db, tenant, { id, name: 'test', secretHash, scopes, createdBy: 'admin' });
  return { id, key };
}

/** Resolves with what a watch ends with. */
function ending(watcher: Credentials, principal: Principal): Promise<ParleyError> {
  return new Promise((resolve) => watcher.watch(principal, { onInvalid: resolve }));
}

describe('a token', () => {
  it('makes an approved user of an unknown subject, once, also of many at a time', async () => {
    const tokens = await Promise.all(Array.from({ length: 30 }, (_, i) => token('new', 'fresh', 3600 + i)));
    const replicas = [credentials(), credentials()];
    const principals = await Promise.all(
      tokens.flatMap((each) => replicas.map((replica) => replica.authenticate({ authorization: `bearer ${each}` }))),
    );
    for (const principal of principals) {
      expect(principal).toMatchObject({ tenant: 'fresh', userId: 'new', approved: true, via: 'token', locale: null });
    }
    expect(await listUsers(db, 'fresh', { limit: 10 })).toMatchObject({ total: 1 });
  });

  it('of an unknown subject is refused where users are not provisioned', async () => {
    const closed = credentials({ provision: 'closed' });
    const stranger = { token: await token('stranger') };
    await expect(closed.authenticate(stranger)).rejects.toMatchObject({ reason: 'UNAUTHENTICATED' });
    expect((await listUsers(db, 'acme', { limit: 100 })).items.map(({ id }) => id)).not.toContain('stranger');
    await provisionUser(db, 'acme', 'stranger');
    await expect(closed.authenticate(stranger)).resolves.toMatchObject({ userId: 'stranger' });
  });

  it('is needed', async () => {
    const all = credentials();
    await expect(all.authenticate({})).rejects.toMatchObject({ details: { cause: 'missing' } });
    for (const authorization of ['Basic YTpi', 'Bearer', 'Bearer a b', await token('ann')]) {
      await expect(all.authenticate({ authorization })).rejects.toMatchObject({ details: { cause: 'invalid' } });
    }
  });

  it('acts for nobody but its subject', async () => {
    const presented = { token: await token('ann'), actingUser: 'bob' };
    await expect(credentials().authenticate(presented)).resolves.toMatchObject({ userId: 'ann' });
  });

  it('of a suspended user is FORBIDDEN', async () => {
    await provisionUser(db, 'acme', 'sid');
    await suspendUser(db, 'acme', 'sid');
    const presented = { token: await token('sid') };
    await expect(credentials().authenticate(presented)).rejects.toMatchObject({ reason: 'FORBIDDEN' });
  });

  it('that expires is not remembered as good', async () => {
    let now = Date.now();
    const clocked = credentials({ now: () => now, timing: { recentMs: 60_000 } });
    const presented = { token: await token('ann', 'acme', 100) };
    await clocked.authenticate(presented);
    now += 101_000;
    await expect(clocked.authenticate(presented)).rejects.toMatchObject({ details: { cause: 'expired' } });
  });

  it('is remembered as good for a moment, and not longer', async () => {
    const presented = { token: await token('eve') };
    const [long, short] = [credentials({ timing: { recentMs: 60_000 } }), credentials({ timing: { recentMs: 1 } })];
    await Promise.all([long.authenticate(presented), short.authenticate(presented)]);
    await suspendUser(db, 'acme', 'eve');
    await expect(short.authenticate(presented)).rejects.toMatchObject({ reason: 'FORBIDDEN' });
    await expect(long.authenticate(presented)).resolves.toMatchObject({ userId: 'eve' });
    long.forget('acme', 'eve');
    await expect(long.authenticate(presented)).rejects.toMatchObject({ reason: 'FORBIDDEN' });
  });

  it('of a user who waits for approval is not remembered', async () => {
    await provisionUser(db, 'acme', 'wai');
    await db.updateTable('users').set({ approved: false }).where('id', '=', 'wai').execute();
    const all = credentials({ timing: { recentMs: 60_000 } });
    const presented = { token: await token('wai') };
    await expect(all.authenticate(presented)).resolves.toMatchObject({ approved: false });
    await approveUser(db, 'acme', 'wai');
    await expect(all.authenticate(presented)).resolves.toMatchObject({ approved: true });
  });

  it('opens nothing while the database is down', async () => {
    const down = connect({ host: '127.0.0.1', port: 1, user: 'nobody', database: 'none' });
    const presented = { token: await token('ann') };
    await expect(credentials({ db: down }).authenticate(presented)).rejects.toMatchObject({ reason: 'UNAVAILABLE' });
    await down.destroy();
  });
});

describe('an API key', () => {
  it('acts for a user of its tenant', async () => {
    const { id, key } = await apiKey('keys', ['chat', 'files', 'unheard-of']);
    const principal = await credentials().authenticate({ authorization: `Bearer ${key}`, actingUser: 'ann' });
    expect(principal).toMatchObject({
      tenant: 'keys',
      userId: 'ann',
      via: 'key',
      keyId: id,
      scopes: ['chat', 'files'],
    });
    const [listed] = (await listApiKeys(db, 'keys', { limit: 1 })).items;
    expect(listed?.last_used_at).toBeInstanceOf(Date);
    expect(listed).not.toHaveProperty('secret_hash');
  });

  it('is no user by itself', async () => {
    const { key } = await apiKey('alone');
    for (const actingUser of [undefined, '', ' ', 'a\0b', 'x'.repeat(256)]) {
      const presented = { token: key, actingUser };
      await expect(credentials().authenticate(presented)).rejects.toMatchObject({ reason: 'INVALID_INPUT' });
    }
  });

  it('is refused with another secret, an unknown id, and once revoked', async () => {
    const { id, key } = await apiKey('revoked');
    const all = credentials({ timing: { recentMs: 1 } });
    const other = makeKey();
    for (const wrong of [`pk_${id}_${other.key.slice(-43)}`, other.key, 'pk_', 'pk_x_y']) {
      const presented = { token: wrong, actingUser: 'ann' };
      await expect(all.authenticate(presented)).rejects.toMatchObject({ reason: 'UNAUTHENTICATED' });
    }
    await all.authenticate({ token: key, actingUser: 'ann' });
    expect(await revokeApiKey(db, 'another tenant', id)).toBeUndefined();
    await all.authenticate({ token: key, actingUser: 'bob' });
    expect(await revokeApiKey(db, 'revoked', id)).toMatchObject({ id });
    await expect(all.authenticate({ token: key, actingUser: 'ann' })).rejects.toMatchObject({
      reason: 'UNAUTHENTICATED',
    });
  });
});

describe('a watch', () => {
  const timing = { sweepMs: 20 };

  it('ends when the token expires', async () => {
    const all = credentials();
    const principal = await all.authenticate({ token: await token('ann', 'acme', 2) });
    const error = await ending(all, principal);
    expect(error).toMatchObject({ reason: 'UNAUTHENTICATED', details: { cause: 'expired' } });
    expect(Date.now()).toBeGreaterThanOrEqual(principal.expiresAt ?? Number.NaN);
  });

  it('ends, for all who are meant and nobody else, when a user is suspended or a key revoked', async () => {
    const all = credentials({ timing });
    const { id, key } = await apiKey('watched');
    const [victim, other] = [await token('victim', 'watched'), await token('other', 'watched')];
    const [byToken, byKey, keyOfOther, bystander] = await Promise.all([
      all.authenticate({ token: victim }),
      all.authenticate({ token: key, actingUser: 'victim' }),
      all.authenticate({ token: key, actingUser: 'other' }),
      all.authenticate({ token: other }),
    ]);
    const ended: string[] = [];
    all.watch(bystander, { onInvalid: () => ended.push('bystander') });
    const stopped = { onInvalid: () => ended.push('stopped') };
    all.watch(byToken, stopped);
    const endings = Promise.all([ending(all, byToken), ending(all, byToken), ending(all, byKey)]);
    const revoked = ending(all, keyOfOther).then((error) => {
      ended.push('revoked');
      return error;
    });
    all.unwatch(stopped);
    await suspendUser(db, 'watched', 'victim');
    for (const error of await endings) expect(error).toMatchObject({ reason: 'FORBIDDEN' });
    expect(ended).toEqual([]);
    await revokeApiKey(db, 'watched', id);
    expect(await revoked).toMatchObject({ reason: 'UNAUTHENTICATED', details: { cause: 'invalid' } });
    expect(ended).toEqual(['revoked']);
  });

  it('goes on while the database is slow to answer, and is right afterwards', async () => {
    const all = credentials({ timing });
    const ended = ending(all, await all.authenticate({ token: await token('slow') }));
    let over = false;
    void ended.then(() => {
      over = true;
    });
    await db.transaction().execute(async (trx) => {
      await sql`lock table users in access exclusive mode`.execute(trx);
      const waiting = sql<{ n: string }>`select count(*) as n from pg_locks where not granted`;
      while ((await waiting.execute(trx)).rows[0]?.n === '0') await new Promise((resolve) => setTimeout(resolve, 5));
      await sql`update users set suspended = true where id = 'slow'`.execute(trx);
      expect(over).toBe(false);
    });
    expect(await ended).toMatchObject({ reason: 'FORBIDDEN' });
  });

  it('ends when nobody could say for too long', async () => {
    const principal = await credentials().authenticate({ token: await token('ann') });
    const down = connect({ host: '127.0.0.1', port: 1, user: 'nobody', database: 'none' });
    const grace = credentials({ db: down, timing: { ...timing, graceMs: 200 } });
    const from = performance.now();
    expect(await ending(grace, principal)).toMatchObject({ reason: 'UNAVAILABLE' });
    expect(performance.now() - from).toBeGreaterThan(200);
    await grace.close();
    await down.destroy();
  });

  // Guard: only what was looked at counts as silence. A process that stood still has not asked.
  it('goes on after the process stood still for longer than nobody may be able to say', async () => {
    const all = credentials({ timing });
    const ends: unknown[] = [];
    all.watch(await all.authenticate({ token: await token('asleep') }), { onInvalid: (error) => ends.push(error) });
    const leaving = ending(all, await all.authenticate({ token: await token('leaving') }));
    const now = performance.now.bind(performance);
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + 60_000);
    try {
      // Told by an answer that came after the sleep.
      await suspendUser(db, 'acme', 'leaving');
      expect(await leaving).toMatchObject({ reason: 'FORBIDDEN' });
      expect(ends).toEqual([]);
    } finally {
      clock.mockRestore();
    }
  });

  // Guard: a session drops what ended it when its credential is good again.
  it('is over for a connection until its credential is good again', async () => {
    const all = credentials({ timing: { ...timing, graceMs: 200 } });
    const arrival = { accepted: 'en' as const, traceId: undefined, address: '::1' };
    const session = new Session(all, { ...arrival, presented: { token: await token('again') } });
    await session.principal();
    const end = (): Promise<void> =>
      new Promise((resolve) => {
        session.listen({ onInvalid: resolve });
      });
    const silent = end();
    await sql`alter table api_keys rename to away`.execute(db);
    await silent;
    expect(session.valid()).toMatchObject({ reason: 'UNAVAILABLE' });
    await sql`alter table away rename to api_keys`.execute(db);
    await session.principal();
    expect(session.valid()).toBeUndefined();
    const suspended = end();
    await suspendUser(db, 'acme', 'again');
    await suspended;
    await expect(session.principal()).rejects.toMatchObject({ reason: 'FORBIDDEN' });
    expect(session.valid()).toMatchObject({ reason: 'FORBIDDEN' });
    await approveUser(db, 'acme', 'again');
    await session.principal();
    expect(session.valid()).toBeUndefined();
    session.listen(undefined);
  });

  it('leaves no timer', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const all = credentials();
    const principal = await all.authenticate({ token: await token('ann') });
    const before = timers();
    const watchers = Array.from({ length: 5 }, () => ({ onInvalid() {} }));
    for (const watcher of watchers) all.watch(principal, watcher);
    for (const watcher of watchers) all.unwatch(watcher);
    expect(timers()).toBe(before);
  });
});

describe('users', () => {
  it('are listed page by page, whatever their ids are', async () => {
    const ids = ['a', 'b c', 'd', 'é', '中文', 'z-_%'];
    for (const id of ids) await provisionUser(db, 'listed', id);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof listUsers>> = await listUsers(db, 'listed', { cursor, limit: 2 });
      expect(page.total).toBe(ids.length);
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(seen.sort()).toEqual(ids.sort());
    await expect(listUsers(db, 'listed', { cursor: '???', limit: 2 })).rejects.toBeInstanceOf(ParleyError);
  });

  it('keep what is not given of their profile, and lose what is null', async () => {
    await provisionUser(db, 'acme', 'pro');
    await updateProfile(db, 'acme', 'pro', { nickname: 'Pro', birthYear: 1950 });
    expect(await updateProfile(db, 'acme', 'pro', { birthYear: null, locale: 'zh-CN' })).toMatchObject({
      nickname: 'Pro',
      birth_year: null,
      locale: 'zh-CN',
    });
    expect(await updateProfile(db, 'acme', 'pro', {})).toMatchObject({ nickname: 'Pro' });
    expect(await updateProfile(db, 'other', 'pro', { nickname: 'Con' })).toBeUndefined();
  });
});
