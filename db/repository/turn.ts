import { isReason, type Reason } from '@parley/shared/reason';
import type { Heard, Metrics, Turn, TurnMedium } from '@parley/shared/turn';
import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import type { Database, TurnRequest, TurnTable } from '../schema.ts';
import type { Owner } from './conversation.ts';

export type TurnRow = Selectable<TurnTable>;

const now = sql<Date>`clock_timestamp()`;
const lease = (ms: number) => sql<Date>`clock_timestamp() + ${ms} * interval '1 millisecond'`;

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

/** The running turn and those that wait behind it, oldest first. */
export async function listOpenTurns(db: Kysely<Database>, conversationId: string): Promise<TurnRow[]> {
  return await db
    .selectFrom('turns')
    .selectAll()
    .where('conversation_id', '=', conversationId)
    .where('status', 'in', ['running', 'queued'])
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

export async function insertTurn(trx: Transaction<Database>, turn: NewTurn): Promise<TurnRow> {
  return await trx
    .insertInto('turns')
    .values({
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
        lease_until: lease(turn.claim.leaseMs),
        generation: 1,
        started_at: now,
      }),
    })
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** A turn that failed before the model could be asked. It never runs, so that it may lie beside a running one. */
export async function insertFailed(
  trx: Transaction<Database>,
  turn: Omit<NewTurn, 'claim' | 'retryOf' | 'userMessageId'> & { code: Reason },
): Promise<TurnRow> {
  return await trx
    .insertInto('turns')
    .values({
      id: turn.id,
      conversation_id: turn.conversationId,
      tenant_id: turn.owner.tenant,
      user_id: turn.owner.userId,
      input: turn.input,
      status: 'failed',
      code: turn.code,
      request_hash: turn.requestHash,
      request: JSON.stringify(turn.request),
      generation: 1,
      metrics: JSON.stringify({ totalMs: 0 }),
      created_at: now,
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
      lease_until: lease(claim.leaseMs),
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

export interface Ending {
  status: 'completed' | 'interrupted' | 'failed';
  code: Reason | null;
  agentMessageId: string | null;
  metrics: Metrics;
  spoken: TurnRow['spoken'];
}

/**
 * Ends a running turn for the generation that ran it; undefined when that generation is over (fencing), so that a stopped
 * owner that comes back writes nothing.
 */
export async function endTurn(
  trx: Transaction<Database>,
  turn: { id: string; generation: number },
  ending: Ending,
): Promise<TurnRow | undefined> {
  const row = await trx
    .updateTable('turns')
    .set({
      status: ending.status,
      code: ending.code,
      agent_message_id: ending.agentMessageId,
      metrics: JSON.stringify(ending.metrics),
      ...(ending.spoken && { spoken: JSON.stringify(ending.spoken) }),
      ended_at: now,
    })
    .where('id', '=', turn.id)
    .where('generation', '=', turn.generation)
    .where('status', '=', 'running')
    .returningAll()
    .executeTakeFirst();
  if (row) await trx.deleteFrom('turn_progress').where('turn_id', '=', turn.id).execute();
  return row;
}

/** Ends a turn that never ran. */
export async function dropQueued(trx: Transaction<Database>, id: string): Promise<TurnRow | undefined> {
  return await trx
    .updateTable('turns')
    .set({ status: 'interrupted', ended_at: now, metrics: JSON.stringify({ totalMs: 0 }) })
    .where('id', '=', id)
    .where('status', '=', 'queued')
    .returningAll()
    .executeTakeFirst();
}

export async function markAnnounced(db: Kysely<Database>, ids: readonly string[]): Promise<void> {
  await db
    .updateTable('turns')
    .set({ announced: true })
    .where('id', 'in', [...ids])
    .execute();
}

/** Asks a turn's owner, whoever it is, to stop it. */
export async function requestInterrupt(db: Kysely<Database>, id: string): Promise<boolean> {
  const row = await db
    .updateTable('turns')
    .set({ interrupt_requested: true })
    .where('id', '=', id)
    .where('status', '=', 'running')
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

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
    .set({ lease_until: lease(claim.leaseMs) })
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

/** Takes over turns whose lease has run out (or, with `others`, all that other owners run), raising their generation. */
export async function takeOver(
  db: Kysely<Database>,
  claim: { replica: string; leaseMs: number },
  options: { limit: number; others?: boolean },
): Promise<TakenOver[]> {
  return await db
    .updateTable('turns')
    .set({ owner: claim.replica, lease_until: lease(claim.leaseMs), generation: sql`generation + 1` })
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

/** Turns that ended at least `olderMs` ago and whose terminal event nobody appended: their replica died in between. */
export async function listUnannounced(db: Kysely<Database>, olderMs: number, limit: number): Promise<TurnRow[]> {
  return await db
    .selectFrom('turns')
    .selectAll()
    .where('announced', '=', false)
    .where('ended_at', '<', sql<Date>`clock_timestamp() - ${olderMs} * interval '1 millisecond'`)
    .orderBy('ended_at')
    .limit(limit)
    .execute();
}

export interface Progress {
  id: string;
  generation: number;
  bubbles: string[];
}

/**
 * Records what is about to be delivered of several running answers, in one statement; resolves with the ids that were
 * recorded. One that is missing is fenced: its generation is over.
 *
 * Not waiting for the disk: this guards against the death of this process, and with both processes gone nobody has seen more
 * than the write-ahead log's last fraction of a second.
 */
export async function recordProgress(db: Kysely<Database>, progress: readonly Progress[]): Promise<Set<string>> {
  const { rows } = await sql<{ turn_id: string }>`
    with relaxed as materialized (select set_config('synchronous_commit', 'off', true))
    insert into turn_progress (turn_id, generation, bubbles)
    select turns.id, turns.generation, item.bubbles
    from relaxed, jsonb_to_recordset(${JSON.stringify(progress)}::jsonb) as item (id uuid, generation integer, bubbles jsonb)
    join turns on turns.id = item.id and turns.generation = item.generation and turns.status = 'running'
    on conflict (turn_id) do update set generation = excluded.generation, bubbles = excluded.bubbles
    returning turn_id
  `.execute(db);
  return new Set(rows.map((row) => row.turn_id));
}

export async function findProgress(db: Kysely<Database>, turnId: string): Promise<string[] | undefined> {
  const row = await db.selectFrom('turn_progress').select('bubbles').where('turn_id', '=', turnId).executeTakeFirst();
  return row?.bubbles;
}

/** Sets how far the listener of a turn has come. The caller holds the conversation's lock. */
export async function setHeard(trx: Transaction<Database>, id: string, heard: Heard): Promise<void> {
  await trx
    .updateTable('turns')
    .set({ heard: JSON.stringify(heard) })
    .where('id', '=', id)
    .execute();
}
