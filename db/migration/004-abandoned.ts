import { type Kysely, sql } from 'kysely';

/** Recordings whose last segment has not come are looked for once a minute. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create index voice_sessions_abandoned on voice_sessions (changed_at)
    where status = 'open' and last_index is null`.execute(db);
}
