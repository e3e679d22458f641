import { type Kysely, sql } from 'kysely';

/**
 * How a recording is to be answered, and recordings whose last segment has not come: they are looked for once a minute. A file is
 * due when its row goes: the column's milliseconds are rounded, and could be the next one.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  const statements = [
    sql`alter table voice_sessions add column speak jsonb`,
    sql`create index voice_sessions_abandoned on voice_sessions (changed_at)
      where status = 'open' and last_index is null`,
    sql`create or replace function leave_stray_file() returns trigger language plpgsql as $$
      begin
        insert into stray_files (storage_key, due_at)
          values (old.storage_key, date_trunc('milliseconds', clock_timestamp()))
          on conflict (storage_key) do nothing;
        return null;
      end
    $$`,
  ];
  for (const statement of statements) await statement.execute(db);
}
