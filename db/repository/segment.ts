import { type Selectable, sql } from 'kysely';
import type { Db, Trx } from '../connect.ts';
import type { SegmentTable } from '../schema.ts';
import type { Owner } from './conversation.ts';
import type { SessionKey } from './voice-session.ts';

export type SegmentRow = Selectable<SegmentTable>;

const now = sql<Date>`clock_timestamp()`;
const soon = (ms: number) => sql<Date>`clock_timestamp() + ${ms} * interval '1 millisecond'`;

export async function listSegments(db: Db, key: SessionKey): Promise<SegmentRow[]> {
  return await db
    .selectFrom('segments')
    .selectAll()
    .where('conversation_id', '=', key.conversationId)
    .where('voice_session_id', '=', key.voiceSessionId)
    .orderBy('index')
    .execute();
}

export interface NewSegment {
  id: string;
  index: number;
  isLast: boolean;
  format: string;
  sampleRate: number | null;
  durationMs: number | null;
  sha256: Buffer;
  data: Uint8Array;
  /** `failed` when it cannot be decoded: nobody is to transcribe it. */
  status: 'stored' | 'failed';
}

/** Stores a segment with its sound, claimed for this replica if it is to be transcribed; in place of one that failed. */
export async function putSegment(
  trx: Trx,
  owner: Owner,
  key: SessionKey,
  segment: NewSegment,
  claimMs: number,
): Promise<SegmentRow> {
  await trx
    .deleteFrom('segments')
    .where('conversation_id', '=', key.conversationId)
    .where('voice_session_id', '=', key.voiceSessionId)
    .where('index', '=', segment.index)
    .where('status', '=', 'failed')
    .execute();
  const row = await trx
    .insertInto('segments')
    .values({
      id: segment.id,
      conversation_id: key.conversationId,
      tenant_id: owner.tenant,
      voice_session_id: key.voiceSessionId,
      index: segment.index,
      is_last: segment.isLast,
      format: segment.format,
      sample_rate: segment.sampleRate,
      duration_ms: segment.durationMs,
      sha256: segment.sha256,
      status: segment.status,
      claimed_until: segment.status === 'stored' ? soon(claimMs) : null,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  await trx
    .insertInto('segment_audio')
    .values({ segment_id: row.id, data: Buffer.from(segment.data) })
    .execute();
  return row;
}

export async function readAudio(db: Db, segmentId: string): Promise<Buffer | undefined> {
  const row = await db
    .selectFrom('segment_audio')
    .select('data')
    .where('segment_id', '=', segmentId)
    .executeTakeFirst();
  return row?.data;
}

/** What became of a segment that was waiting; false when somebody else has written that already, or nobody may know any more. */
export async function finishSegment(
  db: Db,
  id: string,
  result: {
    status: 'transcribed' | 'silent' | 'failed';
    text: string | null;
    durationMs: number | null;
    sttMs: number;
  },
): Promise<boolean> {
  return await db.transaction().execute(async (trx) => {
    const row = await trx
      .updateTable('segments')
      .set({ status: result.status, text: result.text, duration_ms: result.durationMs, claimed_until: null })
      .where('id', '=', id)
      .where('status', '=', 'stored')
      .where((where) =>
        where.exists(
          where
            .selectFrom('conversations')
            .select('conversations.id')
            .whereRef('conversations.id', '=', 'segments.conversation_id')
            .where('conversations.deleted_at', 'is', null),
        ),
      )
      .returning(['conversation_id', 'voice_session_id'])
      .executeTakeFirst();
    if (!row) return false;
    await trx
      .updateTable('voice_sessions')
      .set({ changed_at: now, stt_ms: sql`stt_ms + ${result.sttMs}` })
      .where('conversation_id', '=', row.conversation_id)
      .where('id', '=', row.voice_session_id)
      .execute();
    return true;
  });
}

/** A failed segment waits again: its client has sent it once more. */
export async function reviveSegment(trx: Trx, id: string, claimMs: number): Promise<void> {
  await trx
    .updateTable('segments')
    .set({ status: 'stored', claimed_until: soon(claimMs) })
    .where('id', '=', id)
    .execute();
}

/** Whether a segment still waits to be transcribed, and its conversation is there. */
export async function isWaiting(db: Db, id: string): Promise<boolean> {
  const row = await db
    .selectFrom('segments')
    .innerJoin('conversations', 'conversations.id', 'segments.conversation_id')
    .select('segments.id')
    .where('segments.id', '=', id)
    .where('segments.status', '=', 'stored')
    .where('conversations.deleted_at', 'is', null)
    .executeTakeFirst();
  return row !== undefined;
}

export async function renewSegments(db: Db, ids: readonly string[], claimMs: number): Promise<void> {
  await db
    .updateTable('segments')
    .set({ claimed_until: soon(claimMs) })
    .where('id', 'in', [...ids])
    .where('status', '=', 'stored')
    .execute();
}

/** Segments that wait although no replica is at work on them: theirs has died. */
export async function claimAbandoned(db: Db, claimMs: number, limit: number): Promise<SegmentRow[]> {
  return await db
    .updateTable('segments')
    .set({ claimed_until: soon(claimMs) })
    .where('id', 'in', (where) =>
      where
        .selectFrom('segments as waiting')
        .select('waiting.id')
        .where('waiting.status', '=', 'stored')
        .where('waiting.claimed_until', '<', now)
        .limit(limit)
        .forUpdate()
        .skipLocked(),
    )
    .returningAll()
    .execute();
}

/** Lineage: which turn and message the segments of a session became part of. */
export async function linkSegments(
  trx: Trx,
  ids: readonly string[],
  to: { turnId: string; userMessageId: string },
): Promise<void> {
  await trx
    .updateTable('segments')
    .set({ turn_id: to.turnId, user_message_id: to.userMessageId })
    .where('id', 'in', [...ids])
    .execute();
}

/** Lineage: the answer to what the segments said. */
export async function linkAnswer(trx: Trx, turnId: string, agentMessageId: string): Promise<void> {
  await trx.updateTable('segments').set({ agent_message_id: agentMessageId }).where('turn_id', '=', turnId).execute();
}
