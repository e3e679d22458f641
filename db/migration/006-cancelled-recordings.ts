import { type Kysely, sql } from 'kysely';

/** A recording can be given up by whoever spoke. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table voice_sessions
    drop constraint voice_sessions_status_check,
    add constraint voice_sessions_status_check check (status in ('open', 'done', 'failed', 'cancelled'))`.execute(db);
}
