import { type Kysely, sql } from 'kysely';

/** Attachments, and the files that none of them owns. */
export async function up(db: Kysely<unknown>): Promise<void> {
  const statements = [
    sql`create table attachments (
      id uuid primary key,
      tenant_id text not null,
      user_id text not null,
      -- The conversation whose message used it first: it goes when that goes.
      conversation_id uuid references conversations on delete cascade,
      filename text not null,
      media_type text not null,
      kind text not null check (kind in ('image', 'audio', 'file', 'video')),
      size integer not null check (size > 0),
      sha256 bytea not null,
      storage_key text not null unique,
      created_at timestamptz(3) not null default clock_timestamp(),
      foreign key (tenant_id, user_id) references users (tenant_id, id)
    )`,
    sql`create index attachments_conversation on attachments (conversation_id) where conversation_id is not null`,
    sql`create index attachments_unused on attachments (created_at) where conversation_id is null`,
    // Files that may be in storage without an attachment: being written, or to be removed. A file is named here before its
    // first byte is written and until its last one is gone, so that a process which dies leaves none behind.
    sql`create table stray_files (
      storage_key text primary key,
      due_at timestamptz(3) not null
    )`,
    sql`create index stray_files_due on stray_files (due_at)`,
    // However a row goes, also with its conversation, its file is to be removed.
    sql`create function leave_stray_file() returns trigger language plpgsql as $$
      begin
        insert into stray_files (storage_key, due_at) values (old.storage_key, clock_timestamp())
          on conflict (storage_key) do nothing;
        return null;
      end
    $$`,
    sql`create trigger attachments_leave_file after delete on attachments
      for each row execute function leave_stray_file()`,
  ];
  for (const statement of statements) await statement.execute(db);
}
