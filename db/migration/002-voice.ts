import { type Kysely, sql } from 'kysely';

/** Voice sessions, the sound of their segments, and what of a spoken answer was heard. */
export async function up(db: Kysely<unknown>): Promise<void> {
  const statements = [
    sql`create table voice_sessions (
      conversation_id uuid not null references conversations on delete cascade,
      id text not null,
      tenant_id text not null,
      user_id text not null,
      -- The turn that the recording becomes; another one after a failure.
      turn_id uuid not null,
      status text not null default 'open' check (status in ('open', 'done', 'failed')),
      last_index integer,
      last_at timestamptz(3),
      listened boolean not null default false,
      stt_ms double precision not null default 0,
      changed_at timestamptz(3) not null default clock_timestamp(),
      created_at timestamptz(3) not null default clock_timestamp(),
      primary key (conversation_id, id)
    )`,
    sql`create index voice_sessions_open on voice_sessions (changed_at) where status = 'open' and last_index is not null`,
    // Apart from the rows that are read often.
    sql`create table segment_audio (
      segment_id uuid primary key references segments on delete cascade,
      data bytea not null
    )`,
    sql`alter table segments add column claimed_until timestamptz(3)`,
    sql`create index segments_waiting on segments (claimed_until) where status = 'stored'`,
    // Of a spoken answer: its sentences with the real length of their sound, and how far the listener came.
    sql`alter table turns add column spoken jsonb`,
    sql`alter table turns add column heard jsonb`,
  ];
  for (const statement of statements) await statement.execute(db);
}
