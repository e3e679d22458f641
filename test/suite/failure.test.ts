import { connect, type Db } from '@parley/db/connect';
import { failureReason, isTransient, isUniqueViolation } from '@parley/db/failure';
import { provisionUser } from '@parley/db/repository/user';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase } from '../support/database.ts';
import type { FreshDatabase } from '../support/postgres.ts';

let fresh: FreshDatabase;
let db: Db;
beforeAll(async () => {
  fresh = await freshDatabase();
  db = fresh.db;
});
afterAll(async () => {
  await fresh.drop();
});

async function failure(act: () => Promise<unknown>): Promise<unknown> {
  try {
    await act();
  } catch (error) {
    return error;
  }
  throw new Error('did not fail');
}

/** As the driver makes it of what PostgreSQL says before it ends a session. */
const stopping = Object.assign(new Error('terminating connection'), { code: '57P01', severity: 'FATAL' });

const run = (statement: string) => failure(() => sql.raw(statement).execute(db));
const conversation =
  "insert into conversations (id, tenant_id, user_id, request_hash) values (gen_random_uuid(), 'x', 'y', '')";

describe('a failure of the database', () => {
  it.each<[string, () => Promise<unknown>, string | undefined, boolean]>([
    ['a duplicate', () => run("insert into tenants values ('a'), ('a')"), 'IDEMPOTENCY_CONFLICT', false],
    ['a reference to nothing', () => run(conversation), 'NOT_FOUND', false],
    ['a NUL', () => failure(() => provisionUser(db, 'a\0', 'b')), 'INVALID_INPUT', false],
    ['a number out of range', () => run('select 3000000000::int'), 'INVALID_INPUT', false],
    ['a server that stops', async () => stopping, 'UNAVAILABLE', true],
    [
      'a statement that took too long',
      () => run('set statement_timeout = 20; select pg_sleep(10)'),
      'UNAVAILABLE',
      true,
    ],
    [
      'a transaction that has failed before',
      () =>
        failure(() =>
          db.transaction().execute(async (trx) => {
            await failure(() => sql`select 1 / 0`.execute(trx));
            await sql`select 1`.execute(trx);
          }),
        ),
      'UNAVAILABLE',
      true,
    ],
    ['a query that is wrong', () => run('select nothing from nowhere'), undefined, false],
  ])('from %s', async (_name, act, reason, transient) => {
    const error = await act();
    expect(failureReason(error)).toBe(reason);
    expect(isTransient(error)).toBe(transient);
    // Through what wraps it, too.
    expect(failureReason(new Error('while saving', { cause: error }))).toBe(reason);
  });

  it.each([
    ['a port where nobody listens', { host: '127.0.0.1', port: 1, user: 'a', database: 'b' }],
    ['a socket that is not there', { host: '/nowhere', user: 'a', database: 'b' }],
    ['a host without a name', { host: 'nowhere.invalid', user: 'a', database: 'b' }],
  ])('from %s', async (_name, connection) => {
    const down = connect(connection);
    const error = await failure(() => sql`select 1`.execute(down));
    await down.destroy();
    expect(failureReason(error)).toBe('UNAVAILABLE');
    expect(isTransient(error)).toBe(true);
    expect(failureReason(await failure(() => sql`select 1`.execute(down)))).toBe('UNAVAILABLE');
  });

  it('from a deadlock', async () => {
    await sql`insert into tenants values ('one'), ('two')`.execute(db);
    const lock = (trx: Db, id: string) => sql`update tenants set created_at = now() where id = ${id}`.execute(trx);
    const both = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
    const hold = (first: string, second: string, i: 0 | 1) =>
      db.transaction().execute(async (trx) => {
        await lock(trx, first);
        both[i].resolve();
        await both[1 - i]?.promise;
        await lock(trx, second);
      });
    const results = await Promise.allSettled([hold('one', 'two', 0), hold('two', 'one', 1)]);
    const errors = results.flatMap((result): unknown[] => (result.status === 'rejected' ? [result.reason] : []));
    expect(errors).toHaveLength(1);
    expect(isTransient(errors[0])).toBe(true);
  });

  it('from a pool with no connection to spare', async () => {
    const small = connect(fresh.connection, { poolSize: 1, acquireMs: 50 });
    await small.connection().execute(async () => {
      expect(failureReason(await failure(() => sql`select 1`.execute(small)))).toBe('UNAVAILABLE');
    });
    await small.destroy();
  });

  it('is told from others', () => {
    for (const error of [undefined, 'text', new Error('no'), Object.assign(new Error('open'), { code: 'ENOENT' })]) {
      expect(failureReason(error)).toBeUndefined();
      expect(isTransient(error)).toBe(false);
    }
  });

  it('names the constraint that was violated', async () => {
    const error = await run("insert into tenants values ('b'), ('b')");
    expect(isUniqueViolation(error)).toBe(true);
    expect(isUniqueViolation(error, 'tenants_pkey')).toBe(true);
    expect(isUniqueViolation(error, 'turns_one_running')).toBe(false);
    expect(isUniqueViolation(await run(conversation))).toBe(false);
  });
});
