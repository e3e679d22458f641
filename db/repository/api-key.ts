import type { Page } from '@parley/shared/page';
import { type Selectable, sql } from 'kysely';
import type { Db } from '../connect.ts';
import { decodeCursor, encodeCursor, milliseconds, uuid } from '../cursor.ts';
import type { ApiKeyTable } from '../schema.ts';

/** A key as it may be shown: without the hash of its secret. */
export type ApiKeyRow = Omit<Selectable<ApiKeyTable>, 'secret_hash'>;

const shown = ['id', 'tenant_id', 'name', 'scopes', 'created_by', 'created_at', 'last_used_at', 'revoked_at'] as const;

export interface NewApiKey {
  id: string;
  name: string;
  /** SHA-256 of the secret. */
  secretHash: Buffer;
  scopes: readonly string[];
  /** The admin's user id. */
  createdBy: string;
}

export async function createApiKey(db: Db, tenant: string, key: NewApiKey): Promise<ApiKeyRow> {
  return await db
    .insertInto('api_keys')
    .values({
      id: key.id,
      tenant_id: tenant,
      name: key.name,
      secret_hash: key.secretHash,
      scopes: [...key.scopes],
      created_by: key.createdBy,
    })
    .returning(shown)
    .executeTakeFirstOrThrow();
}

/**
 * A key that has not been revoked, with what its secret is compared with. The only query without a tenant: the key says
 * which tenant it is of. `stale`: its use has not been noted for a minute.
 */
export async function findApiKey(
  db: Db,
  id: string,
): Promise<{ id: string; tenant_id: string; secret_hash: Buffer; scopes: string[]; stale: boolean } | undefined> {
  return await db
    .selectFrom('api_keys')
    .select(['id', 'tenant_id', 'secret_hash', 'scopes'])
    .select(sql<boolean>`coalesce(last_used_at < now() - interval '1 minute', true)`.as('stale'))
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
}

/** Notes that a key has been used. */
export async function touchApiKey(db: Db, tenant: string, id: string): Promise<void> {
  await db
    .updateTable('api_keys')
    .set({ last_used_at: sql`now()` })
    .where('tenant_id', '=', tenant)
    .where('id', '=', id)
    .execute();
}

/** Ends a key; undefined when the tenant has no such key. Again is the same. */
export async function revokeApiKey(db: Db, tenant: string, id: string): Promise<ApiKeyRow | undefined> {
  return await db
    .updateTable('api_keys')
    .set({ revoked_at: sql`coalesce(revoked_at, now())` })
    .where('tenant_id', '=', tenant)
    .where('id', '=', id)
    .returning(shown)
    .executeTakeFirst();
}

/** A tenant's keys, newest first, revoked ones too. @throws ParleyError INVALID_INPUT on a cursor that is not of this list */
export async function listApiKeys(
  db: Db,
  tenant: string,
  page: { cursor?: string | null | undefined; limit: number },
): Promise<Page<ApiKeyRow>> {
  const keys = db.selectFrom('api_keys').where('tenant_id', '=', tenant);
  const { total } = await keys.select(db.fn.countAll<string>().as('total')).executeTakeFirstOrThrow();
  let query = keys.select(shown).orderBy('created_at', 'desc').orderBy('id', 'desc');
  if (page.cursor) {
    const [ms, id] = decodeCursor(page.cursor, [milliseconds, uuid]);
    query = query.where(sql<boolean>`(created_at, id) < (to_timestamp(${ms}::double precision / 1000), ${id})`);
  }
  const rows = await query.limit(page.limit + 1).execute();
  const items = rows.slice(0, page.limit);
  const last = items.at(-1);
  const more = rows.length > page.limit && last;
  return {
    items,
    nextCursor: more ? encodeCursor([String(last.created_at.getTime()), last.id]) : null,
    total: Number(total),
  };
}
