import type { Reason } from '@parley/shared/reason';
import type { Metrics } from '@parley/shared/turn';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { Database } from '../schema.ts';
import type { TurnRow } from './turn.ts';

const now = sql<Date>`clock_timestamp()`;

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

/** False when there is no such turn any more. */
export async function markAnnounced(db: Kysely<Database>, id: string): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('turns')
    .set({ announced: true })
    .where('id', '=', id)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
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
