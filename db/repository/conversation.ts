import { createHash } from 'node:crypto';
import { canonicalJson } from '@parley/shared/canonical';
import type { Conversation, ConversationContext, Metadata } from '@parley/shared/conversation';
import type { Page } from '@parley/shared/page';
import { ParleyError } from '@parley/shared/reason';
import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import { decodeCursor, encodeCursor, milliseconds, uuid } from '../cursor.ts';
import type { ConversationTable, Database } from '../schema.ts';

export type ConversationRow = Selectable<ConversationTable>;

/** Whose conversations: every query is scoped by both. */
export interface Owner {
  tenant: string;
  userId: string;
}

export function toConversation(row: ConversationRow): Conversation {
  return {
    id: row.id,
    title: row.title,
    status: row.status,
    assistantId: row.assistant_id,
    context: row.context_type === null ? null : { type: row.context_type, id: row.context_id },
    metadata: row.metadata,
    createdAt: row.created_at,
    lastMessageAt: row.last_message_at,
    endedAt: row.ended_at,
    messageCount: row.message_count,
    preview: row.preview,
  };
}

/** All that stays of an erased conversation. */
export function digest(owner: Owner, id: string): Buffer {
  return createHash('sha256')
    .update(JSON.stringify([owner.tenant, owner.userId, id]))
    .digest();
}

async function absent(db: Kysely<Database>, owner: Owner, id: string): Promise<ParleyError> {
  const erased = await db
    .selectFrom('erasures')
    .select('digest')
    .where('digest', '=', digest(owner, id))
    .executeTakeFirst();
  return new ParleyError(erased ? 'CONVERSATION_DELETED' : 'NOT_FOUND');
}

/**
 * The owner's conversation.
 * @throws ParleyError NOT_FOUND also for somebody else's; CONVERSATION_DELETED for one's own that was deleted
 */
export async function getConversation(db: Kysely<Database>, owner: Owner, id: string): Promise<ConversationRow> {
  const row = await db
    .selectFrom('conversations')
    .selectAll()
    .where('id', '=', id)
    .where('tenant_id', '=', owner.tenant)
    .where('user_id', '=', owner.userId)
    .executeTakeFirst();
  if (!row) throw await absent(db, owner, id);
  if (row.deleted_at) throw new ParleyError('CONVERSATION_DELETED');
  return row;
}

/** As `getConversation`, holding the row until the transaction ends: the lock under which turns and messages are written. */
export async function lockConversation(trx: Transaction<Database>, owner: Owner, id: string): Promise<ConversationRow> {
  const row = await trx
    .selectFrom('conversations')
    .selectAll()
    .where('id', '=', id)
    .where('tenant_id', '=', owner.tenant)
    .where('user_id', '=', owner.userId)
    .forUpdate()
    .executeTakeFirst();
  if (!row) throw await absent(trx, owner, id);
  if (row.deleted_at) throw new ParleyError('CONVERSATION_DELETED');
  return row;
}

export interface NewConversation {
  id: string;
  title: string | null;
  assistantId: string | null;
  context: ConversationContext | null;
  metadata: Metadata;
}

function requestHash(value: NewConversation): Buffer {
  const { title, assistantId, context, metadata } = value;
  return createHash('sha256')
    .update(canonicalJson([title, assistantId, context, metadata]))
    .digest();
}

/**
 * Creates a conversation; the same id with the same content again gives the same one.
 * @throws ParleyError IDEMPOTENCY_CONFLICT, NOT_FOUND (the id is somebody else's), CONVERSATION_DELETED
 */
export async function createConversation(
  db: Kysely<Database>,
  owner: Owner,
  value: NewConversation,
): Promise<ConversationRow> {
  const hash = requestHash(value);
  const erased = await db
    .selectFrom('erasures')
    .select('digest')
    .where('digest', '=', digest(owner, value.id))
    .executeTakeFirst();
  if (erased) throw new ParleyError('CONVERSATION_DELETED');
  const created = await db
    .insertInto('conversations')
    .values({
      id: value.id,
      tenant_id: owner.tenant,
      user_id: owner.userId,
      title: value.title,
      assistant_id: value.assistantId,
      context_type: value.context?.type ?? null,
      context_id: value.context?.id ?? null,
      metadata: JSON.stringify(value.metadata),
      request_hash: hash,
    })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .returningAll()
    .executeTakeFirst();
  if (created) return created;
  const existing = await getConversation(db, owner, value.id);
  if (!existing.request_hash.equals(hash)) throw new ParleyError('IDEMPOTENCY_CONFLICT');
  return existing;
}

/** The user's conversation for a context, if there is one. */
export async function findByContext(
  db: Kysely<Database>,
  owner: Owner,
  context: ConversationContext,
): Promise<ConversationRow | undefined> {
  return await db
    .selectFrom('conversations')
    .selectAll()
    .where('tenant_id', '=', owner.tenant)
    .where('user_id', '=', owner.userId)
    .where('context_type', '=', context.type)
    .where(sql`coalesce(context_id, '')`, '=', context.id ?? '')
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
}

const activity = sql<Date>`coalesce(last_message_at, created_at)`;

/** Newest activity first; deleted ones never. */
export async function listConversations(
  db: Kysely<Database>,
  owner: Owner,
  filter: {
    cursor?: string | null | undefined;
    limit: number;
    status?: 'active' | 'ended' | undefined;
    contextType?: string | undefined;
    search?: string | undefined;
  },
): Promise<Page<ConversationRow>> {
  let query = db
    .selectFrom('conversations')
    .where('tenant_id', '=', owner.tenant)
    .where('user_id', '=', owner.userId)
    .where('deleted_at', 'is', null);
  if (filter.status) query = query.where('status', '=', filter.status);
  if (filter.contextType) query = query.where('context_type', '=', filter.contextType);
  if (filter.search) {
    const pattern = `%${filter.search.replace(/[\\%_]/g, '\\$&')}%`;
    query = query.where((where) => where.or([where('title', 'ilike', pattern), where('preview', 'ilike', pattern)]));
  }
  const count = await query.select(db.fn.countAll<string>().as('total')).executeTakeFirstOrThrow();
  let page = query.selectAll().orderBy(activity, 'desc').orderBy('id', 'desc');
  if (filter.cursor) {
    const [ms, id] = decodeCursor(filter.cursor, [milliseconds, uuid]);
    page = page.where(sql<boolean>`(${activity}, id) < (to_timestamp(${ms}::double precision / 1000), ${id}::uuid)`);
  }
  const rows = await page.limit(filter.limit + 1).execute();
  const items = rows.slice(0, filter.limit);
  const last = items.at(-1);
  const more = rows.length > filter.limit && last;
  return {
    items,
    nextCursor: more ? encodeCursor([String((last.last_message_at ?? last.created_at).getTime()), last.id]) : null,
    total: Number(count.total),
  };
}

export async function renameConversation(
  trx: Transaction<Database>,
  id: string,
  title: string,
): Promise<ConversationRow> {
  return await trx
    .updateTable('conversations')
    .set({ title })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

export async function endConversation(trx: Transaction<Database>, id: string): Promise<ConversationRow> {
  return await trx
    .updateTable('conversations')
    .set({ status: 'ended', ended_at: sql`clock_timestamp()`, end_told: false })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** True for the one transaction that is to tell a conversation's end. Others wait for it, and find that it has been told. */
export async function claimEnd(trx: Transaction<Database>, id: string): Promise<boolean> {
  const row = await trx
    .updateTable('conversations')
    .set({ end_told: true })
    .where('id', '=', id)
    .where('end_told', '=', false)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

/** Conversations that ended at least `olderMs` ago and whose end nobody has told: their replica died in between. */
export async function listUntoldEnds(db: Kysely<Database>, olderMs: number, limit: number): Promise<ConversationRow[]> {
  return await db
    .selectFrom('conversations')
    .selectAll()
    .where('end_told', '=', false)
    .where('deleted_at', 'is', null)
    .where('ended_at', '<', sql<Date>`clock_timestamp() - ${olderMs} * interval '1 millisecond'`)
    .orderBy('ended_at')
    .limit(limit)
    .execute();
}
