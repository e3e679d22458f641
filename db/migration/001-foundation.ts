import { type Kysely, sql } from 'kysely';

/**
 * Tenants, users, assistants, conversations, messages, turns and voice segments.
 *
 * Times are `timestamptz(3)`: JavaScript reads milliseconds, and what must strictly increase must do so for a reader.
 * Every row that belongs to a user carries its tenant, so that no query can forget it.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  const statements = [
    sql`create table tenants (
      id text primary key,
      created_at timestamptz(3) not null default now()
    )`,
    sql`create table users (
      tenant_id text not null references tenants,
      id text not null,
      nickname text,
      birth_year integer,
      birth_place text,
      grew_up_place text,
      occupation text,
      locale text,
      approved boolean not null default false,
      suspended boolean not null default false,
      plan text not null default 'free',
      created_at timestamptz(3) not null default now(),
      primary key (tenant_id, id)
    )`,
    sql`create table api_keys (
      id text primary key,
      tenant_id text not null references tenants,
      name text not null,
      secret_hash bytea not null,
      scopes text[] not null,
      created_by text not null,
      created_at timestamptz(3) not null default now(),
      last_used_at timestamptz(3),
      revoked_at timestamptz(3)
    )`,
    sql`create index api_keys_tenant on api_keys (tenant_id, created_at)`,
    sql`create table assistants (
      id uuid primary key,
      tenant_id text not null references tenants,
      name text not null,
      system_prompt text,
      greeting text,
      model text,
      voice text,
      language text,
      tools jsonb not null default '[]',
      temperature double precision,
      bubbles text not null default 'separator' check (bubbles in ('separator', 'paragraph', 'none')),
      created_at timestamptz(3) not null default now(),
      updated_at timestamptz(3) not null default now()
    )`,
    sql`create index assistants_tenant on assistants (tenant_id, name)`,
    sql`create table conversations (
      id uuid primary key,
      tenant_id text not null,
      user_id text not null,
      title text,
      status text not null default 'active' check (status in ('active', 'ended')),
      assistant_id uuid references assistants on delete set null,
      context_type text,
      context_id text,
      metadata jsonb not null default '{}',
      revision bigint not null default 0,
      message_count integer not null default 0,
      preview text,
      request_hash bytea not null,
      greeting_turn_id uuid,
      created_at timestamptz(3) not null default now(),
      last_message_at timestamptz(3),
      ended_at timestamptz(3),
      deleted_at timestamptz(3),
      foreign key (tenant_id, user_id) references users (tenant_id, id)
    )`,
    // Newest activity first, page by page.
    sql`create index conversations_activity on conversations
      (tenant_id, user_id, (coalesce(last_message_at, created_at)) desc, id desc) where deleted_at is null`,
    // One conversation per context, also under concurrent calls.
    sql`create unique index conversations_context on conversations
      (tenant_id, user_id, context_type, coalesce(context_id, '')) where context_type is not null and deleted_at is null`,
    sql`create table turns (
      id uuid primary key,
      conversation_id uuid not null references conversations on delete cascade,
      tenant_id text not null,
      user_id text not null,
      input text not null check (input in ('text', 'voice', 'greeting', 'call')),
      status text not null check (status in ('queued', 'running', 'completed', 'interrupted', 'failed')),
      code text,
      request_hash bytea not null,
      request jsonb not null,
      retry_of uuid,
      user_message_id uuid,
      agent_message_id uuid,
      owner text,
      lease_until timestamptz(3),
      generation integer not null default 0,
      interrupt_requested boolean not null default false,
      announced boolean not null default false,
      metrics jsonb,
      created_at timestamptz(3) not null default clock_timestamp(),
      started_at timestamptz(3),
      ended_at timestamptz(3)
    ) with (fillfactor = 70)`,
    sql`create unique index turns_one_running on turns (conversation_id) where status = 'running'`,
    sql`create index turns_queue on turns (conversation_id, created_at, id) where status = 'queued'`,
    sql`create index conversations_deleted on conversations (deleted_at) where deleted_at is not null`,
    sql`create index turns_lease on turns (lease_until) where status = 'running'`,
    sql`create index turns_unannounced on turns (ended_at) where not announced`,
    sql`create index turns_conversation on turns (conversation_id, created_at, id)`,
    // What has been delivered of a running answer where the event log alone would not survive its process.
    sql`create table turn_progress (
      turn_id uuid primary key references turns on delete cascade,
      generation integer not null,
      bubbles jsonb not null
    ) with (fillfactor = 50)`,
    // A conversation that was erased leaves no row; the digest of its owner and id still tells its owner that it is gone.
    sql`create table erasures (
      digest bytea primary key,
      erased_at timestamptz(3) not null default now()
    )`,
    sql`create table messages (
      id uuid primary key,
      conversation_id uuid not null references conversations on delete cascade,
      tenant_id text not null,
      turn_id uuid not null,
      role text not null check (role in ('human', 'agent')),
      kind text not null check (kind in ('text', 'audio')),
      status text not null check (status in ('complete', 'interrupted', 'failed')),
      parts jsonb not null,
      unheard text,
      reference jsonb,
      voice_session_id text,
      duration_ms integer check (duration_ms > 0),
      segment_ids uuid[],
      speech_attachment_id uuid,
      retrieval jsonb,
      created_at timestamptz(3) not null
    )`,
    sql`create unique index messages_order on messages (conversation_id, created_at)`,
    sql`create index messages_turn on messages (turn_id)`,
    sql`create table segments (
      id uuid primary key,
      conversation_id uuid not null references conversations on delete cascade,
      tenant_id text not null,
      voice_session_id text not null,
      index integer not null check (index between 0 and 999),
      is_last boolean not null default false,
      format text not null,
      sample_rate integer,
      duration_ms integer,
      sha256 bytea not null,
      storage_key text,
      status text not null check (status in ('stored', 'transcribed', 'silent', 'failed')),
      text text,
      -- Lineage: the turn and the messages that this segment became part of.
      turn_id uuid,
      user_message_id uuid,
      agent_message_id uuid,
      created_at timestamptz(3) not null default now(),
      unique (conversation_id, voice_session_id, index)
    )`,
  ];
  for (const statement of statements) await statement.execute(db);
}
