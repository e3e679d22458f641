import { sql } from 'kysely';
import type { Db } from '../connect.ts';

export interface CredentialHolder {
  tenant: string;
  userId: string;
  /** Of an API key, when one is used. */
  keyId?: string | undefined;
}

/** The places in `holders` of those that may not go on, each with why: one query however many there are. */
export async function findInvalid(
  db: Db,
  holders: readonly CredentialHolder[],
): Promise<Map<number, 'suspended' | 'gone'>> {
  const tenants = holders.map(({ tenant }) => tenant);
  const users = holders.map(({ userId }) => userId);
  const keys = holders.map(({ keyId }) => keyId ?? null);
  const { rows } = await sql<{ place: string; suspended: boolean }>`
    select w.place, coalesce(u.suspended, false) as suspended
    from unnest(${tenants}::text[], ${users}::text[], ${keys}::text[]) with ordinality as w (tenant, user_id, key_id, place)
    left join users u on u.tenant_id = w.tenant and u.id = w.user_id
    left join api_keys k on k.id = w.key_id and k.tenant_id = w.tenant and k.revoked_at is null
    where u.id is null or u.suspended or (w.key_id is not null and k.id is null)
  `.execute(db);
  return new Map(rows.map(({ place, suspended }) => [Number(place) - 1, suspended ? 'suspended' : 'gone']));
}
