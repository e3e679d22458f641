import { type Kysely, sql } from 'kysely';
import type { Database } from '../schema.ts';
import type { TurnRow } from './turn.ts';

const now = sql<Date>`clock_timestamp()`;

/** The end of a lease that begins now, on the database's clock. */
export const leaseUntil = (ms: number) => sql<Date>`clock_timestamp() + ${ms} * interval '1 millisecond'`;

export interface Renewed {
  id: string;
  generation: number;
  interruptRequested: boolean;
  deleted: boolean;
}

/** Renews the leases of turns that a replica runs, in one statement; what is not in the answer is lost. */
export async function renewLeases(
  db: Kysely<Database>,
  claim: { replica: string; leaseMs: number },
  ids: readonly string[],
): Promise<Renewed[]> {
  const rows = await db
    .updateTable('turns')
    .from('conversations')
    .set({ lease_until: leaseUntil(claim.leaseMs) })
    .whereRef('conversations.id', '=', 'turns.conversation_id')
    .where('turns.id', 'in', [...ids])
    .where('turns.owner', '=', claim.replica)
    .where('turns.status', '=', 'running')
    .returning(['turns.id', 'turns.generation', 'turns.interrupt_requested', 'conversations.deleted_at'])
    .execute();
  return rows.map((row) => ({
    id: row.id,
    generation: row.generation,
    interruptRequested: row.interrupt_requested,
    deleted: row.deleted_at !== null,
  }));
}

/** A turn taken over, with its age by the database's clock. */
export type TakenOver = TurnRow & { age_ms: number };

/**
 * Takes over turns whose lease has run out (or, with `others`, all that other owners run), raising their generation; not those
 * that this replica still `runs`, which it renews.
 */
export async function takeOver(
  db: Kysely<Database>,
  claim: { replica: string; leaseMs: number },
  options: { limit: number; others?: boolean; runs: readonly string[] },
): Promise<TakenOver[]> {
  return await db
    .updateTable('turns')
    .set({ owner: claim.replica, lease_until: leaseUntil(claim.leaseMs), generation: sql`generation + 1` })
    .where('id', 'in', (where) =>
      where
        .selectFrom('turns as expired')
        .select('expired.id')
        .where('expired.status', '=', 'running')
        .where((expired) =>
          expired.exists(
            expired
              .selectFrom('conversations')
              .select('conversations.id')
              .whereRef('conversations.id', '=', 'expired.conversation_id')
              .where('conversations.deleted_at', 'is', null),
          ),
        )
        .where((expired) =>
          options.others ? expired('expired.owner', '!=', claim.replica) : expired('expired.lease_until', '<', now),
        )
        .where(sql<boolean>`not expired.id = any(${[...options.runs]}::uuid[])`)
        .orderBy('expired.lease_until')
        .limit(options.limit)
        .forUpdate()
        .skipLocked(),
    )
    .returningAll()
    .returning(sql<number>`(extract(epoch from clock_timestamp() - created_at) * 1000)::float8`.as('age_ms'))
    .execute();
}

/** Hands a turn back before its lease runs out, for another replica to run. */
export async function releaseLease(db: Kysely<Database>, turn: { id: string; generation: number }): Promise<void> {
  await db
    .updateTable('turns')
    .set({ lease_until: sql<Date>`clock_timestamp() - interval '1 second'` })
    .where('id', '=', turn.id)
    .where('generation', '=', turn.generation)
    .where('status', '=', 'running')
    .execute();
}

/** Conversations whose turns wait although none runs: their replica died in between. */
export async function listStranded(db: Kysely<Database>, limit: number): Promise<{ conversation_id: string }[]> {
  return await db
    .selectFrom('turns')
    .select('conversation_id')
    .distinct()
    .where('status', '=', 'queued')
    .where('created_at', '<', sql<Date>`clock_timestamp() - interval '2 seconds'`)
    .where((where) =>
      where.not(
        where.exists(
          where
            .selectFrom('turns as running')
            .select('running.id')
            .whereRef('running.conversation_id', '=', 'turns.conversation_id')
            .where('running.status', '=', 'running'),
        ),
      ),
    )
    .limit(limit)
    .execute();
}

/**
 * Turns that ended at least `olderMs` ago and whose terminal event nobody appended: their replica died in between. Not those of
 * deleted conversations, of which nothing is told.
 */
export async function listUnannounced(db: Kysely<Database>, olderMs: number, limit: number): Promise<TurnRow[]> {
  return await db
    .selectFrom('turns')
    .innerJoin('conversations', 'conversations.id', 'turns.conversation_id')
    .selectAll('turns')
    .where('conversations.deleted_at', 'is', null)
    .where('turns.announced', '=', false)
    .where('turns.ended_at', '<', sql<Date>`clock_timestamp() - ${olderMs} * interval '1 millisecond'`)
    .orderBy('turns.ended_at')
    .limit(limit)
    .execute();
}
