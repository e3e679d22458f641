import { isReason, type Reason } from '@parley/shared/reason';
import type { Heard, Turn, TurnMedium } from '@parley/shared/turn';
import { type ExpressionBuilder, type InsertObject, type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import type { Database, TurnRequest, TurnTable } from '../schema.ts';
import type { Owner } from './conversation.ts';
import { leaseUntil } from './turn-lease.ts';

export type TurnRow = Selectable<TurnTable>;

const now = sql<Date>`clock_timestamp()`;

export function toTurn(row: TurnRow, text: string): Turn {
  return {
    id: row.id,
    conversationId: row.conversation_id,
    status: row.status,
    ...(isReason(row.code) && { code: row.code }),
    text,
    ...(row.metrics !== null && { metrics: row.metrics }),
    ...(row.retry_of !== null && { retryOf: row.retry_of }),
  };
}

export async function findTurn(db: Kysely<Database>, id: string): Promise<TurnRow | undefined> {
  return await db.selectFrom('turns').selectAll().where('id', '=', id).executeTakeFirst();
}

export async function findOwnTurn(db: Kysely<Database>, owner: Owner, id: string): Promise<TurnRow | undefined> {
  return await db
    .selectFrom('turns')
    .selectAll()
    .where('id', '=', id)
    .where('tenant_id', '=', owner.tenant)
    .where('user_id', '=', owner.userId)
    .executeTakeFirst();
}

/** Written as two equalities, since each has a partial index: `in` has none and would read all the conversation's turns. */
const isOpen = (turn: ExpressionBuilder<Database, 'turns'>) =>
  turn.or([turn('status', '=', 'running'), turn('status', '=', 'queued')]);

/** The turn with an id, whosoever it is, and the conversation's open turns, the running one first, in one look. */
export async function findTurnAmongOpen(
  db: Kysely<Database>,
  id: string,
  conversationId: string,
): Promise<{ known: TurnRow | undefined; open: TurnRow[] }> {
  const rows = await db
    .selectFrom('turns')
    .selectAll()
    .where((turn) =>
      turn.or([
        turn('id', '=', id),
        turn.and([turn('conversation_id', '=', conversationId), turn('status', '=', 'running')]),
        turn.and([turn('conversation_id', '=', conversationId), turn('status', '=', 'queued')]),
      ]),
    )
    .orderBy(sql`(status = 'running')`, 'desc')
    .orderBy('created_at')
    .orderBy('id')
    .execute();
  return { known: rows.find((row) => row.id === id), open: rows.filter((row) => row.id !== id) };
}

/** The running turn and those that wait behind it, oldest first. */
export async function listOpenTurns(db: Kysely<Database>, conversationId: string): Promise<TurnRow[]> {
  return await db
    .selectFrom('turns')
    .selectAll()
    .where('conversation_id', '=', conversationId)
    .where(isOpen)
    .orderBy(sql`(status = 'running')`, 'desc')
    .orderBy('created_at')
    .orderBy('id')
    .execute();
}

/** The users' messages of turns that wait: stored, and not yet part of what is talked about. */
export async function listWaitingMessages(db: Kysely<Database>, conversationId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('turns')
    .select('user_message_id')
    .where('conversation_id', '=', conversationId)
    .where('status', '=', 'queued')
    .execute();
  return rows.flatMap(({ user_message_id }) => user_message_id ?? []);
}

export async function findRunning(db: Kysely<Database>, conversationId: string): Promise<TurnRow | undefined> {
  return await db
    .selectFrom('turns')
    .selectAll()
    .where('conversation_id', '=', conversationId)
    .where('status', '=', 'running')
    .executeTakeFirst();
}

export async function listTurns(db: Kysely<Database>, conversationId: string): Promise<TurnRow[]> {
  return await db
    .selectFrom('turns')
    .selectAll()
    .where('conversation_id', '=', conversationId)
    .orderBy('created_at')
    .orderBy('id')
    .execute();
}

export interface NewTurn {
  id: string;
  conversationId: string;
  owner: Owner;
  input: TurnMedium;
  requestHash: Buffer;
  request: TurnRequest;
  retryOf: string | null;
  userMessageId: string | null;
  /** The replica that runs it now, or none: it waits. */
  claim: { replica: string; leaseMs: number } | null;
}

/** The columns of a turn that begins or waits. */
export function newTurn(turn: NewTurn): InsertObject<Database, 'turns'> {
  return {
    id: turn.id,
    conversation_id: turn.conversationId,
    tenant_id: turn.owner.tenant,
    user_id: turn.owner.userId,
    input: turn.input,
    status: turn.claim ? 'running' : 'queued',
    request_hash: turn.requestHash,
    request: JSON.stringify(turn.request),
    retry_of: turn.retryOf,
    user_message_id: turn.userMessageId,
    created_at: now,
    ...(turn.claim && {
      owner: turn.claim.replica,
      lease_until: leaseUntil(turn.claim.leaseMs),
      generation: 1,
      started_at: now,
    }),
  };
}

export async function insertTurn(trx: Transaction<Database>, turn: NewTurn): Promise<TurnRow> {
  return await trx.insertInto('turns').values(newTurn(turn)).returningAll().executeTakeFirstOrThrow();
}

/** A turn that failed before the model could be asked. It never runs, so that it may lie beside a running one. */
export async function insertFailed(
  trx: Transaction<Database>,
  turn: Omit<NewTurn, 'claim' | 'retryOf' | 'userMessageId'> & { code: Reason },
): Promise<TurnRow> {
  return await trx
    .insertInto('turns')
    .values({
      ...newTurn({ ...turn, retryOf: null, userMessageId: null, claim: null }),
      status: 'failed',
      code: turn.code,
      generation: 1,
      metrics: JSON.stringify({ totalMs: 0 }),
      started_at: now,
      ended_at: now,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** The next waiting turn of a conversation becomes the running one. The caller holds the conversation's lock. */
export async function promoteNext(
  trx: Transaction<Database>,
  conversationId: string,
  claim: { replica: string; leaseMs: number },
): Promise<TurnRow | undefined> {
  return await trx
    .updateTable('turns')
    .set({
      status: 'running',
      owner: claim.replica,
      lease_until: leaseUntil(claim.leaseMs),
      generation: sql`generation + 1`,
      started_at: now,
    })
    .where('id', '=', (where) =>
      where
        .selectFrom('turns as next')
        .select('next.id')
        .where('next.conversation_id', '=', conversationId)
        .where('next.status', '=', 'queued')
        .orderBy('next.created_at')
        .orderBy('next.id')
        .limit(1),
    )
    .returningAll()
    .executeTakeFirst();
}

/** Sets how far the listener of a turn has come. The caller holds the conversation's lock. */
export async function setHeard(trx: Transaction<Database>, id: string, heard: Heard): Promise<void> {
  await trx
    .updateTable('turns')
    .set({ heard: JSON.stringify(heard) })
    .where('id', '=', id)
    .execute();
}
