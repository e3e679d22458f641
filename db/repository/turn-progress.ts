import { type Kysely, sql } from 'kysely';
import type { Database } from '../schema.ts';

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
