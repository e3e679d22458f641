import type { ConversationInEvent } from '@parley/shared/event';
import {
  type Message,
  type MessageInEvent,
  type MessagePart,
  type MessageStatus,
  textOf,
} from '@parley/shared/message';
import type { Page } from '@parley/shared/page';
import { type Insertable, type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import { decodeCursor, encodeCursor, milliseconds } from '../cursor.ts';
import type { Database, MessageTable } from '../schema.ts';
import { type ConversationRow, toConversation } from './conversation.ts';

export type MessageRow = Selectable<MessageTable>;

export function toMessage(row: MessageRow): Message {
  return {
    id: row.id,
    conversationId: row.conversation_id,
    turnId: row.turn_id,
    role: row.role,
    kind: row.kind,
    status: row.status,
    parts: row.parts,
    ...(row.unheard !== null && { unheard: row.unheard }),
    ...(row.reference !== null && { reference: row.reference }),
    ...(row.voice_session_id !== null && { voiceSessionId: row.voice_session_id }),
    ...(row.duration_ms !== null && { durationMs: row.duration_ms }),
    ...(row.segment_ids !== null && { segmentIds: row.segment_ids }),
    ...(row.speech_attachment_id !== null && { speechAttachmentId: row.speech_attachment_id }),
    ...(row.retrieval !== null && { retrieval: row.retrieval }),
    createdAt: row.created_at,
  };
}

export function inEvent(message: Message): MessageInEvent {
  return { ...message, createdAt: message.createdAt.getTime() };
}

export function conversationInEvent(row: ConversationRow): ConversationInEvent {
  const { createdAt, lastMessageAt, endedAt, ...rest } = toConversation(row);
  return {
    ...rest,
    createdAt: createdAt.getTime(),
    lastMessageAt: lastMessageAt?.getTime() ?? null,
    endedAt: endedAt?.getTime() ?? null,
  };
}

/** The beginning of a message on one line; a message of attachments only shows their names. */
export function previewOf(parts: readonly MessagePart[]): string {
  const text = textOf(parts).replace(/\s+/g, ' ').trim();
  if (text) return text.slice(0, 140);
  const names = parts.flatMap((part) => (part.type === 'attachment' ? [part.filename] : []));
  return names.join(', ').slice(0, 140);
}

/** What a user has said, before it has its time. */
export type HumanMessage = Omit<MessageRow, 'created_at'> &
  Record<'unheard' | 'reference' | 'speech_attachment_id' | 'retrieval', null>;

export type NewMessage = Omit<Insertable<MessageTable>, 'created_at' | 'parts'> & { parts: MessagePart[] };

/** The columns of a new message but for its time. */
export function newMessage(message: NewMessage): Omit<Insertable<MessageTable>, 'created_at'> {
  return { ...message, parts: JSON.stringify(message.parts) };
}

/** Later than the clock and than every message before it, on the database's clock: replicas' clocks never matter. */
export const nextTime = sql<Date>`greatest(clock_timestamp(), last_message_at + interval '1 millisecond')`;

/**
 * Adds a message at the end, and moves the conversation's row with it; `revision` is the row's after this write.
 * The caller holds the conversation's lock.
 */
export async function insertMessage(
  trx: Transaction<Database>,
  message: NewMessage,
): Promise<{ message: MessageRow; revision: number }> {
  const { revision, ...row } = await trx
    .with('moved', (query) =>
      query
        .updateTable('conversations')
        .set({
          last_message_at: nextTime,
          revision: sql`revision + 1`,
          message_count: sql`message_count + 1`,
          preview: previewOf(message.parts),
        })
        .where('id', '=', message.conversation_id)
        .returning(['last_message_at', 'revision']),
    )
    .insertInto('messages')
    .values({ ...newMessage(message), created_at: sql<Date>`(select last_message_at from moved)` })
    .returningAll()
    .returning(sql<string>`(select revision from moved)`.as('revision'))
    .executeTakeFirstOrThrow();
  return { message: row, revision: Number(revision) };
}

/** Moves a waiting turn's message to the end, behind the answer that it waited for. The caller holds the conversation's lock. */
export async function moveToEnd(trx: Transaction<Database>, conversationId: string, id: string): Promise<MessageRow> {
  const moved = await trx.selectFrom('messages').select('parts').where('id', '=', id).executeTakeFirstOrThrow();
  const { last_message_at } = await trx
    .updateTable('conversations')
    .set({ last_message_at: nextTime, revision: sql`revision + 1`, preview: previewOf(moved.parts) })
    .where('id', '=', conversationId)
    .returning('last_message_at')
    .executeTakeFirstOrThrow();
  return await trx
    .updateTable('messages')
    .set({ created_at: last_message_at ?? sql<Date>`clock_timestamp()` })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

export async function findMessage(db: Kysely<Database>, id: string): Promise<MessageRow | undefined> {
  return await db.selectFrom('messages').selectAll().where('id', '=', id).executeTakeFirst();
}

/** One page in order of time. The cursor is a time, since times strictly increase within a conversation. */
export async function listMessages(
  db: Kysely<Database>,
  conversation: ConversationRow,
  filter: { cursor?: string | null | undefined; limit: number; order: 'asc' | 'desc' },
): Promise<Page<MessageRow>> {
  let query = db
    .selectFrom('messages')
    .selectAll()
    .where('conversation_id', '=', conversation.id)
    .orderBy('created_at', filter.order)
    .limit(filter.limit + 1);
  if (filter.cursor) {
    const [ms] = decodeCursor(filter.cursor, [milliseconds]);
    query = query.where(
      'created_at',
      filter.order === 'asc' ? '>' : '<',
      sql<Date>`to_timestamp(${ms}::double precision / 1000)`,
    );
  }
  const rows = await query.execute();
  const items = rows.slice(0, filter.limit);
  const last = items.at(-1);
  return {
    items,
    nextCursor: rows.length > filter.limit && last ? encodeCursor([String(last.created_at.getTime())]) : null,
    total: conversation.message_count,
  };
}

/** The last messages with the revision that they belong to, read as one, oldest first. */
export async function loadHistory(
  db: Kysely<Database>,
  conversationId: string,
  limit: number,
): Promise<{ revision: number; messages: MessageInEvent[] } | undefined> {
  return await db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (trx) => {
      const row = await trx
        .selectFrom('conversations')
        .select('revision')
        .where('id', '=', conversationId)
        .executeTakeFirst();
      if (!row) return undefined;
      const messages = await trx
        .selectFrom('messages')
        .selectAll()
        .where('conversation_id', '=', conversationId)
        .orderBy('created_at', 'desc')
        .limit(limit)
        .execute();
      return {
        revision: Number(row.revision),
        messages: messages.reverse().map((message) => inEvent(toMessage(message))),
      };
    });
}

/** All messages of a conversation, oldest first, for an export. */
export async function listAllMessages(db: Kysely<Database>, conversationId: string): Promise<MessageRow[]> {
  return await db
    .selectFrom('messages')
    .selectAll()
    .where('conversation_id', '=', conversationId)
    .orderBy('created_at')
    .execute();
}

/** Corrects what was heard of an answer; later readers find it at a new revision. The caller holds the conversation's lock. */
export async function amendMessage(
  trx: Transaction<Database>,
  conversationId: string,
  id: string,
  change: { status: MessageStatus; parts: MessagePart[]; unheard: string | null },
): Promise<ConversationRow> {
  const { created_at } = await trx
    .updateTable('messages')
    .set({ ...change, parts: JSON.stringify(change.parts) })
    .where('id', '=', id)
    .returning('created_at')
    .executeTakeFirstOrThrow();
  return await trx
    .updateTable('conversations')
    .set({
      revision: sql`revision + 1`,
      // Of the last message only.
      preview: sql`case when last_message_at = ${created_at} then ${previewOf(change.parts)} else preview end`,
    })
    .where('id', '=', conversationId)
    .returningAll()
    .executeTakeFirstOrThrow();
}
