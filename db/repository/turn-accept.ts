import { type Kysely, type RawBuilder, sql } from 'kysely';
import { isUniqueViolation } from '../failure.ts';
import type { Database } from '../schema.ts';
import { type HumanMessage, type MessageRow, newMessage, nextTime, previewOf } from './message.ts';
import { type NewTurn, newTurn, type TurnRow } from './turn.ts';

export interface AcceptedAtOnce {
  turn: TurnRow;
  message: MessageRow;
  assistantId: string | null;
  /** The conversation's, with this message. */
  revision: number;
}

/**
 * Stores a turn that runs now, with its user's message, in one statement of its own, where nothing stands in the way: the
 * conversation is there, active and not locked, nothing in it runs or waits, the turn's id is new. Undefined where anything does;
 * then nothing was written, and what it is shows under the conversation's lock.
 *
 * Whatever is committed between the statement's snapshot and its lock on the row, the unique indexes refuse a second turn with
 * the same id and a second one that runs.
 */
export async function acceptAtOnce(
  db: Kysely<Database>,
  turn: NewTurn,
  message: HumanMessage,
): Promise<AcceptedAtOnce | undefined> {
  const { id, conversationId, owner } = turn;
  const open = (status: 'running' | 'queued') =>
    sql`exists (select from turns where conversation_id = ${conversationId} and status = ${sql.lit(status)})`;
  const statement = sql<TurnRow & { assistant_id: string | null; said_at: Date; revision: string }>`
    with free as (
      select id from conversations
      where id = ${conversationId} and tenant_id = ${owner.tenant} and user_id = ${owner.userId}
        and status = 'active' and deleted_at is null
        and not exists (select from turns where id = ${id}) and not ${open('running')} and not ${open('queued')}
      for no key update skip locked
    ), moved as (
      update conversations
      set last_message_at = ${nextTime}, revision = revision + 1, message_count = message_count + 1,
        preview = ${previewOf(message.parts)}
      from free where conversations.id = free.id
      returning assistant_id, last_message_at, revision
    ), said as (
      ${insertFrom('moved', 'messages', { ...newMessage(message), created_at: sql`last_message_at` })}
    )
    ${insertFrom('moved', 'turns', { ...newTurn(turn) })}
    returning turns.*, (select assistant_id from moved), (select last_message_at from moved) as said_at,
      (select revision from moved)`;
  try {
    const [row] = (await statement.execute(db)).rows;
    if (!row) return undefined;
    const { assistant_id: assistantId, said_at, revision, ...stored } = row;
    return { turn: stored, message: { ...message, created_at: said_at }, assistantId, revision: Number(revision) };
  } catch (error) {
    if (isUniqueViolation(error)) return undefined;
    throw error;
  }
}

/** Inserts one row of these columns for each row of `source`. */
function insertFrom(source: string, table: string, values: Record<string, unknown>): RawBuilder<unknown> {
  const columns = Object.keys(values).map((column) => sql.ref(column));
  return sql`insert into ${sql.table(table)} (${sql.join(columns)}) select ${sql.join(Object.values(values))} from ${sql.table(source)}`;
}
