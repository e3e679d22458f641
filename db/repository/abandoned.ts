import { sql } from 'kysely';
import type { Db } from '../connect.ts';
import type { VoiceSessionRow } from './segment.ts';

/** Voice sessions whose last segment has not come. */

export interface Abandoned {
  rows: VoiceSessionRow[];
  /** Nothing has come of them since this time, by the database's clock: replicas' own need not agree. */
  before: Date;
}

/** Open ones of which nothing has come for so many milliseconds, the oldest first. */
export async function listAbandoned(db: Db, quietMs: number, limit: number): Promise<Abandoned> {
  const before = await ago(db, quietMs);
  const rows = await db
    .selectFrom('voice_sessions')
    .selectAll()
    .where('status', '=', 'open')
    .where('last_index', 'is', null)
    .where('changed_at', '<', before)
    .orderBy('changed_at')
    .limit(limit)
    .execute();
  return { rows, before };
}

/** Closes one without a turn, unless something has come of it meanwhile. */
export async function closeAbandonedRow(db: Db, row: VoiceSessionRow, before: Date): Promise<void> {
  await db
    .updateTable('voice_sessions')
    .set({ status: 'failed' })
    .where('conversation_id', '=', row.conversation_id)
    .where('id', '=', row.id)
    .where('status', '=', 'open')
    .where('changed_at', '<', before)
    .execute();
}

async function ago(db: Db, ms: number): Promise<Date> {
  const at = sql<Date>`clock_timestamp() - ${ms} * interval '1 millisecond'`.as('at');
  return (await db.selectNoFrom(at).executeTakeFirstOrThrow()).at;
}
