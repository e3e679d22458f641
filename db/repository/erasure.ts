import { type Kysely, sql, type Transaction } from 'kysely';
import type { Database } from '../schema.ts';
import { digest } from './conversation.ts';
import type { TurnRow } from './turn.ts';

/** Whether a conversation is gone for its user, erased already or not. */
export async function isDeleted(db: Kysely<Database>, id: string): Promise<boolean> {
  const row = await db.selectFrom('conversations').select('deleted_at').where('id', '=', id).executeTakeFirst();
  return row === undefined || row.deleted_at !== null;
}

/** Hides a conversation from its user; `eraseConversation` removes what it held. */
export async function markDeleted(trx: Transaction<Database>, id: string): Promise<void> {
  await trx
    .updateTable('conversations')
    .set({ deleted_at: sql`clock_timestamp()`, revision: sql`revision + 1` })
    .where('id', '=', id)
    .execute();
}

/**
 * A conversation's turns of which something may still be written outside the database: those that run or wait, and those whose
 * end has yet to be told. Written as equalities, since each has a partial index.
 */
export async function listUnfinished(db: Kysely<Database>, conversationId: string): Promise<TurnRow[]> {
  return await db
    .selectFrom('turns')
    .selectAll()
    .where('conversation_id', '=', conversationId)
    .where((turn) =>
      turn.or([
        turn('status', '=', 'running'),
        turn('status', '=', 'queued'),
        turn.and([turn('announced', '=', false), turn('ended_at', 'is not', null)]),
      ]),
    )
    .execute();
}

/**
 * Conversations that are deleted and not yet erased, of which no replica that lives still writes anything: no turn runs in them,
 * and none has ended within `leaseMs` without being told of.
 */
export async function listDeleted(db: Kysely<Database>, leaseMs: number, limit: number): Promise<{ id: string }[]> {
  const recently = sql<Date>`clock_timestamp() - ${leaseMs} * interval '1 millisecond'`;
  return await db
    .selectFrom('conversations')
    .select('id')
    .where('deleted_at', 'is not', null)
    .where((where) =>
      where.not(
        where.exists(
          where
            .selectFrom('turns')
            .select('turns.id')
            .whereRef('turns.conversation_id', '=', 'conversations.id')
            .where((turn) =>
              turn.or([
                turn.and([
                  turn('turns.status', '=', 'running'),
                  turn('turns.lease_until', '>', sql<Date>`clock_timestamp()`),
                ]),
                turn.and([turn('turns.announced', '=', false), turn('turns.ended_at', '>', recently)]),
              ]),
            ),
        ),
      ),
    )
    .orderBy('deleted_at')
    .limit(limit)
    .execute();
}

/** Removes a deleted conversation with its messages, turns and segments; only a digest of its id stays. */
export async function eraseConversation(db: Kysely<Database>, id: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const row = await trx
      .selectFrom('conversations')
      .select(['tenant_id', 'user_id'])
      .where('id', '=', id)
      .where('deleted_at', 'is not', null)
      .forUpdate()
      .executeTakeFirst();
    if (!row) return;
    await trx
      .insertInto('erasures')
      .values({ digest: digest({ tenant: row.tenant_id, userId: row.user_id }, id) })
      .onConflict((conflict) => conflict.column('digest').doNothing())
      .execute();
    await trx.deleteFrom('conversations').where('id', '=', id).execute();
  });
}
