import { type Attachment, attachmentUrl } from '@parley/shared/attachment';
import type { AttachmentKind } from '@parley/shared/message';
import { ParleyError } from '@parley/shared/reason';
import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import type { AttachmentTable, Database } from '../schema.ts';
import type { Owner } from './conversation.ts';

export type AttachmentRow = Selectable<AttachmentTable>;

/** How long the writing of a file may take, in seconds, before it counts as given up. */
const writingSeconds = 3_600;
/** How long an upload waits for a message that uses it, in hours. */
const unusedHours = 24;
/** How soon a file that could not be removed is tried again, in seconds. */
const againSeconds = 60;

export function toAttachment(row: AttachmentRow): Attachment {
  return {
    id: row.id,
    filename: row.filename,
    mediaType: row.media_type,
    size: row.size,
    sha256: row.sha256.toString('hex'),
    url: attachmentUrl(row.id),
    kind: row.kind,
  };
}

/** The owner's attachments among these ids. */
export async function findAttachments(
  db: Kysely<Database>,
  owner: Owner,
  ids: readonly string[],
): Promise<AttachmentRow[]> {
  if (ids.length === 0) return [];
  return await db
    .selectFrom('attachments')
    .selectAll()
    .where('id', 'in', ids)
    .where('tenant_id', '=', owner.tenant)
    .where('user_id', '=', owner.userId)
    .execute();
}

/** @throws ParleyError NOT_FOUND, which names the id; also for somebody else's */
export async function getAttachment(db: Kysely<Database>, owner: Owner, id: string): Promise<AttachmentRow> {
  const [row] = await findAttachments(db, owner, [id]);
  if (!row) throw new ParleyError('NOT_FOUND', { details: { attachmentId: id } });
  return row;
}

/** Names a file that is about to be written. */
export async function announceFile(db: Kysely<Database>, key: string): Promise<void> {
  await db
    .insertInto('stray_files')
    .values({ storage_key: key, due_at: sql<Date>`clock_timestamp() + make_interval(secs => ${writingSeconds})` })
    .execute();
}

export interface NewAttachment {
  id: string;
  owner: Owner;
  conversationId: string | null;
  filename: string;
  mediaType: string;
  kind: AttachmentKind;
  size: number;
  sha256: Buffer;
  key: string;
}

/**
 * Makes a written file an attachment. The same id with the same file again gives the first one, and leaves the second
 * file announced.
 * @throws ParleyError IDEMPOTENCY_CONFLICT, NOT_FOUND (the id is somebody else's), UNAVAILABLE (writing it took too long)
 */
export async function insertAttachment(
  db: Kysely<Database>,
  value: NewAttachment,
): Promise<{ row: AttachmentRow; duplicate: boolean }> {
  return await db.transaction().execute(async (trx) => {
    const row = await trx
      .insertInto('attachments')
      .values({
        id: value.id,
        tenant_id: value.owner.tenant,
        user_id: value.owner.userId,
        conversation_id: value.conversationId,
        filename: value.filename,
        media_type: value.mediaType,
        kind: value.kind,
        size: value.size,
        sha256: value.sha256,
        storage_key: value.key,
      })
      .onConflict((conflict) => conflict.column('id').doNothing())
      .returningAll()
      .executeTakeFirst();
    if (!row) {
      const existing = await getAttachment(trx, value.owner, value.id);
      if (!existing.sha256.equals(value.sha256) || existing.filename !== value.filename)
        throw new ParleyError('IDEMPOTENCY_CONFLICT');
      return { row: existing, duplicate: true };
    }
    // Once a sweep has looked at it, the file may be gone.
    const { numDeletedRows } = await trx
      .deleteFrom('stray_files')
      .where('storage_key', '=', value.key)
      .where('due_at', '>', sql<Date>`clock_timestamp()`)
      .executeTakeFirst();
    if (numDeletedRows === 0n) throw new ParleyError('UNAVAILABLE');
    return { row, duplicate: false };
  });
}

/**
 * Ties attachments to the conversation that uses them, unless another one did before.
 * @throws ParleyError NOT_FOUND, which names the first id that its owner does not have
 */
export async function claimAttachments(
  trx: Transaction<Database>,
  owner: Owner,
  ids: readonly string[],
  conversationId: string,
): Promise<void> {
  if (ids.length === 0) return;
  // In one order, so that two messages that use the same ones wait for each other instead of for ever.
  const held = await trx
    .selectFrom('attachments')
    .select('id')
    .where('id', 'in', ids)
    .where('tenant_id', '=', owner.tenant)
    .where('user_id', '=', owner.userId)
    .orderBy('id')
    .forUpdate()
    .execute();
  const missing = ids.find((id) => !held.some((row) => row.id === id));
  if (missing !== undefined) throw new ParleyError('NOT_FOUND', { details: { attachmentId: missing } });
  await trx
    .updateTable('attachments')
    .set({ conversation_id: conversationId })
    .where('id', 'in', ids)
    .where('conversation_id', 'is', null)
    .execute();
}

/** The files of a conversation's attachments. */
export async function listFiles(db: Kysely<Database>, conversationId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('attachments')
    .select('storage_key')
    .where('conversation_id', '=', conversationId)
    .execute();
  return rows.map((row) => row.storage_key);
}

/** Drops an attachment that no message uses; its file is swept. */
export async function dropAttachment(db: Kysely<Database>, id: string): Promise<void> {
  await db.deleteFrom('attachments').where('id', '=', id).execute();
}

/** Drops uploads that no message has used in time. Returns how many. */
export async function dropUnused(db: Kysely<Database>, limit: number): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom('attachments')
    .where('id', 'in', (where) =>
      where
        .selectFrom('attachments')
        .select('id')
        .where('conversation_id', 'is', null)
        .where('created_at', '<', sql<Date>`clock_timestamp() - make_interval(hours => ${unusedHours})`)
        .orderBy('created_at')
        .limit(limit)
        .forUpdate()
        .skipLocked(),
    )
    .executeTakeFirst();
  return Number(numDeletedRows);
}

/** Files that are due to be removed. Others leave them alone for a while; one that stays is due again after it. */
export async function takeStrays(db: Kysely<Database>, limit: number): Promise<string[]> {
  const rows = await db
    .updateTable('stray_files')
    .set({ due_at: sql<Date>`clock_timestamp() + make_interval(secs => ${againSeconds})` })
    .where('storage_key', 'in', (where) =>
      where
        .selectFrom('stray_files')
        .select('storage_key')
        .where('due_at', '<=', sql<Date>`clock_timestamp()`)
        .orderBy('due_at')
        .limit(limit)
        .forUpdate()
        .skipLocked(),
    )
    .returning('storage_key')
    .execute();
  return rows.map((row) => row.storage_key);
}

/** Forgets a file that is no longer in storage. */
export async function forgetFile(db: Kysely<Database>, key: string): Promise<void> {
  await db.deleteFrom('stray_files').where('storage_key', '=', key).execute();
}
