import type { Profile, ProfileInput, User } from '@parley/shared/account';
import type { Page } from '@parley/shared/page';
import type { Selectable } from 'kysely';
import type { Db } from '../connect.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import type { UserTable } from '../schema.ts';

export type UserRow = Selectable<UserTable>;

export function toProfile(row: UserRow): Profile {
  return {
    nickname: row.nickname,
    birthYear: row.birth_year,
    birthPlace: row.birth_place,
    grewUpPlace: row.grew_up_place,
    occupation: row.occupation,
    locale: row.locale,
  };
}

export function toUser(row: UserRow): User {
  return {
    id: row.id,
    tenant: row.tenant_id,
    ...toProfile(row),
    approved: row.approved,
    plan: row.plan,
    createdAt: row.created_at,
  };
}

export async function findUser(db: Db, tenant: string, id: string): Promise<UserRow | undefined> {
  return await db
    .selectFrom('users')
    .selectAll()
    .where('tenant_id', '=', tenant)
    .where('id', '=', id)
    .executeTakeFirst();
}

/** Makes an approved user, and its tenant, where there is none yet; one that is there stays as it is. Safe under concurrency. */
export async function provisionUser(db: Db, tenant: string, id: string): Promise<UserRow> {
  await db
    .insertInto('tenants')
    .values({ id: tenant })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const made = await db
    .insertInto('users')
    .values({ tenant_id: tenant, id, approved: true })
    .onConflict((conflict) => conflict.doNothing())
    .returningAll()
    .executeTakeFirst();
  if (made) return made;
  return await db
    .selectFrom('users')
    .selectAll()
    .where('tenant_id', '=', tenant)
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
}

/** Sets the fields that are given; undefined when there is no such user. */
async function update(
  db: Db,
  tenant: string,
  id: string,
  set: Partial<Omit<UserRow, 'tenant_id' | 'id' | 'created_at'>>,
): Promise<UserRow | undefined> {
  if (Object.values(set).every((value) => value === undefined)) return await findUser(db, tenant, id);
  return await db
    .updateTable('users')
    .set(set)
    .where('tenant_id', '=', tenant)
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst();
}

/** A field that is not given keeps its value; `null` clears it. */
export async function updateProfile(
  db: Db,
  tenant: string,
  id: string,
  profile: ProfileInput,
): Promise<UserRow | undefined> {
  const { nickname, birthYear, birthPlace, grewUpPlace, occupation, locale } = profile;
  return await update(db, tenant, id, {
    ...(nickname !== undefined && { nickname }),
    ...(birthYear !== undefined && { birth_year: birthYear }),
    ...(birthPlace !== undefined && { birth_place: birthPlace }),
    ...(grewUpPlace !== undefined && { grew_up_place: grewUpPlace }),
    ...(occupation !== undefined && { occupation }),
    ...(locale !== undefined && { locale }),
  });
}

/** Approving also lifts a suspension. */
export async function approveUser(db: Db, tenant: string, id: string): Promise<UserRow | undefined> {
  return await update(db, tenant, id, { approved: true, suspended: false });
}

export async function suspendUser(db: Db, tenant: string, id: string): Promise<UserRow | undefined> {
  return await update(db, tenant, id, { suspended: true });
}

export async function setPlan(db: Db, tenant: string, id: string, plan: string): Promise<UserRow | undefined> {
  return await update(db, tenant, id, { plan });
}

/** A tenant's users in the order of their ids. @throws ParleyError INVALID_INPUT on a cursor that is not of this list */
export async function listUsers(
  db: Db,
  tenant: string,
  page: { cursor?: string | null | undefined; limit: number },
): Promise<Page<UserRow>> {
  const users = db.selectFrom('users').where('tenant_id', '=', tenant);
  const { total } = await users.select(db.fn.countAll<string>().as('total')).executeTakeFirstOrThrow();
  let query = users.selectAll().orderBy('id');
  if (page.cursor) {
    // An id may hold anything, also what separates a cursor's parts.
    const [after = ''] = decodeCursor(page.cursor, [/^[\w-]{1,2000}$/]);
    query = query.where('id', '>', Buffer.from(after, 'base64url').toString().replaceAll('\0', ''));
  }
  const rows = await query.limit(page.limit + 1).execute();
  const items = rows.slice(0, page.limit);
  const last = items.at(-1);
  return {
    items,
    nextCursor: rows.length > page.limit && last ? encodeCursor([Buffer.from(last.id).toString('base64url')]) : null,
    total: Number(total),
  };
}
