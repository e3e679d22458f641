import { type Selectable, sql } from 'kysely';
import type { Db, Trx } from '../connect.ts';
import type { VoiceSessionTable } from '../schema.ts';
import type { Owner } from './conversation.ts';

const now = sql<Date>`clock_timestamp()`;

export type VoiceSessionRow = Selectable<VoiceSessionTable>;

/** A voice session's name within its conversation. */
export interface SessionKey {
  conversationId: string;
  voiceSessionId: string;
}

/** The session's row, made where there is none, held until the transaction ends: segments of one recording go one by one. */
export async function lockSession(trx: Trx, owner: Owner, key: SessionKey, turnId: string): Promise<VoiceSessionRow> {
  await trx
    .insertInto('voice_sessions')
    .values({
      conversation_id: key.conversationId,
      id: key.voiceSessionId,
      tenant_id: owner.tenant,
      user_id: owner.userId,
      turn_id: turnId,
    })
    .onConflict((conflict) => conflict.columns(['conversation_id', 'id']).doNothing())
    .execute();
  return await trx
    .selectFrom('voice_sessions')
    .selectAll()
    .where('conversation_id', '=', key.conversationId)
    .where('id', '=', key.voiceSessionId)
    .forUpdate()
    .executeTakeFirstOrThrow();
}

export async function findSession(db: Db, key: SessionKey): Promise<VoiceSessionRow | undefined> {
  return await db
    .selectFrom('voice_sessions')
    .selectAll()
    .where('conversation_id', '=', key.conversationId)
    .where('id', '=', key.voiceSessionId)
    .executeTakeFirst();
}

export async function updateSession(
  trx: Db,
  key: SessionKey,
  set: Partial<Pick<VoiceSessionRow, 'status' | 'turn_id' | 'last_index' | 'speak'>> & { lastCame?: boolean },
): Promise<void> {
  const { lastCame, speak, ...columns } = set;
  await trx
    .updateTable('voice_sessions')
    .set({
      ...columns,
      ...(speak != null && { speak: JSON.stringify(speak) }),
      ...(lastCame && { last_at: now }),
      changed_at: now,
    })
    .where('conversation_id', '=', key.conversationId)
    .where('id', '=', key.voiceSessionId)
    .execute();
}

/** True for the one caller that may say that the agent listens: once a session, and only while its last segment has not come. */
export async function claimListening(db: Db, key: SessionKey): Promise<boolean> {
  const row = await db
    .updateTable('voice_sessions')
    .set({ listened: true })
    .where('conversation_id', '=', key.conversationId)
    .where('id', '=', key.voiceSessionId)
    .where('listened', '=', false)
    .where('last_index', 'is', null)
    .where('status', '=', 'open')
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * Open sessions in which nothing has changed for a while, the oldest first: those whose last segment came, to be looked at again,
 * or those whose last segment did not.
 */
export async function listQuietSessions(
  db: Db,
  last: 'came' | 'missing',
  quietMs: number,
  limit: number,
): Promise<VoiceSessionRow[]> {
  return await db
    .selectFrom('voice_sessions')
    .selectAll()
    .where('status', '=', 'open')
    .where('last_index', last === 'came' ? 'is not' : 'is', null)
    .where('changed_at', '<', sql<Date>`clock_timestamp() - ${quietMs} * interval '1 millisecond'`)
    .orderBy('changed_at')
    .limit(limit)
    .execute();
}

/** Closes an open session without a turn, unless it has changed since it was read. */
export async function closeUnchanged(db: Db, row: VoiceSessionRow): Promise<void> {
  await db
    .updateTable('voice_sessions')
    .set({ status: 'failed' })
    .where('conversation_id', '=', row.conversation_id)
    .where('id', '=', row.id)
    .where('status', '=', 'open')
    .where('changed_at', '=', row.changed_at)
    .execute();
}

/**
 * Gives a session up, unless its turn has begun, and drops what is stored of it. Its row stays, so that what comes later is
 * refused. Under the conversation's lock. Returns the session as it is then.
 */
export async function cancelSession(trx: Trx, owner: Owner, key: SessionKey, turnId: string): Promise<VoiceSessionRow> {
  // Before the session, as whoever writes what became of a segment locks them.
  const segments = await trx
    .selectFrom('segments')
    .select('id')
    .where('conversation_id', '=', key.conversationId)
    .where('voice_session_id', '=', key.voiceSessionId)
    .orderBy('index')
    .forUpdate()
    .execute();
  const row = await lockSession(trx, owner, key, turnId);
  if (row.status === 'done' || row.status === 'cancelled') return row;
  await updateSession(trx, key, { status: 'cancelled' });
  const ids = segments.map(({ id }) => id);
  if (ids.length > 0) await trx.deleteFrom('segments').where('id', 'in', ids).execute();
  return { ...row, status: 'cancelled' };
}

/** Milliseconds since a session's last segment came, by the database's clock. */
export async function sinceLast(db: Db, key: SessionKey): Promise<number> {
  const row = await db
    .selectFrom('voice_sessions')
    .select(sql<number>`(extract(epoch from clock_timestamp() - last_at) * 1000)::float8`.as('ms'))
    .where('conversation_id', '=', key.conversationId)
    .where('id', '=', key.voiceSessionId)
    .executeTakeFirst();
  return row?.ms ?? 0;
}
