import { type Kysely, sql } from 'kysely';

/** How a recording is to be answered, and recordings whose last segment has not come: they are looked for once a minute. */
export async function up(db: Kysely<unknown>): Promise<void> {
  const statements = [
    sql`alter table voice_sessions add column speak jsonb`,
    sql`create index voice_sessions_abandoned on voice_sessions (changed_at)
      where status = 'open' and last_index is null`,
  ];
  for (const statement of statements) await statement.execute(db);
}
