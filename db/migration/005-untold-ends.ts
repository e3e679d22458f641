import { type Kysely, sql } from 'kysely';

/** Whether the end of a conversation has been told to its subscribers: what a crash left untold is looked for. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table conversations add column end_told boolean not null default true`.execute(db);
  await sql`create index conversations_end_untold on conversations (ended_at) where not end_told`.execute(db);
}
