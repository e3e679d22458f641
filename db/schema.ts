import type { Metadata } from '@parley/shared/conversation';
import type {
  AttachmentKind,
  MessageKind,
  MessagePart,
  MessageRole,
  MessageStatus,
  Reference,
  Retrieval,
} from '@parley/shared/message';
import type { Heard, Metrics, Speak, TurnMedium, TurnStatus } from '@parley/shared/turn';
import type { ColumnType, Generated, JSONColumnType } from 'kysely';

/** A value that is written as JSON text and read as `Value`. */
type Json<Value> = ColumnType<Value, string, string>;
type JsonOrNull<Value> = ColumnType<Value | null, string | null | undefined, string | null>;
type Time = ColumnType<Date, Date | string | undefined, Date | string>;
type TimeOrNull = ColumnType<Date | null, Date | string | null | undefined, Date | string | null>;
/** `bigint`: text in PostgreSQL's driver, since it may pass 2^53. */
type BigInteger = ColumnType<string, string | number | undefined, string | number>;

export interface TenantTable {
  id: string;
  created_at: Time;
}

export interface UserTable {
  tenant_id: string;
  id: string;
  nickname: string | null;
  birth_year: number | null;
  birth_place: string | null;
  grew_up_place: string | null;
  occupation: string | null;
  locale: string | null;
  approved: Generated<boolean>;
  suspended: Generated<boolean>;
  plan: Generated<string>;
  created_at: Time;
}

export interface ApiKeyTable {
  id: string;
  tenant_id: string;
  name: string;
  /** SHA-256 of the secret. */
  secret_hash: Buffer;
  scopes: string[];
  created_by: string;
  created_at: Time;
  last_used_at: TimeOrNull;
  revoked_at: TimeOrNull;
}

export interface AssistantTable {
  id: string;
  tenant_id: string;
  name: string;
  system_prompt: string | null;
  greeting: string | null;
  model: string | null;
  voice: string | null;
  language: string | null;
  tools: Generated<Json<unknown[]>>;
  temperature: number | null;
  /** Where an answer is cut into bubbles. */
  bubbles: Generated<'separator' | 'paragraph' | 'none'>;
  created_at: Time;
  updated_at: Time;
}

export interface ConversationTable {
  id: string;
  tenant_id: string;
  user_id: string;
  title: string | null;
  status: Generated<'active' | 'ended'>;
  assistant_id: string | null;
  context_type: string | null;
  context_id: string | null;
  metadata: Json<Metadata>;
  /** Raised in the transaction of every write to the conversation's messages. */
  revision: BigInteger;
  message_count: Generated<number>;
  preview: string | null;
  request_hash: Buffer;
  greeting_turn_id: string | null;
  created_at: Time;
  last_message_at: TimeOrNull;
  ended_at: TimeOrNull;
  /** What follows from its end has been done and told; true while it is active. */
  end_told: Generated<boolean>;
  deleted_at: TimeOrNull;
}

/** What a turn was asked to do; everything another replica needs to run it. */
export interface TurnRequest {
  parts: ({ type: 'text'; text: string } | { type: 'attachment'; attachmentId: string })[];
  pageContext?: unknown;
  assistantId?: string;
  model?: string;
  /** Of a recording: the digest of its bytes, in hex. */
  audio?: string;
  /** Of a recording: milliseconds that transcription took. */
  sttMs?: number;
  /** And by whom. */
  stt?: string;
  speak?: boolean | { voice?: string | undefined; keep?: boolean | undefined };
  /** For a greeting: what the agent is to do, since no user message says so. */
  instruction?: string;
  /** Of a turn that failed before it ran: what exactly is wrong, for the client. */
  details?: Record<string, number[]>;
}

export interface TurnTable {
  id: string;
  conversation_id: string;
  tenant_id: string;
  user_id: string;
  input: TurnMedium;
  status: TurnStatus;
  code: string | null;
  request_hash: Buffer;
  request: Json<TurnRequest>;
  retry_of: string | null;
  user_message_id: string | null;
  agent_message_id: string | null;
  /** The replica that runs it. */
  owner: string | null;
  lease_until: TimeOrNull;
  /** Fencing token: raised by every takeover. */
  generation: Generated<number>;
  interrupt_requested: Generated<boolean>;
  /** Whether the terminal event has been appended to the log. */
  announced: Generated<boolean>;
  metrics: JsonOrNull<Metrics>;
  /** Of a spoken answer: its sentences with the real length of their sound. */
  spoken: JsonOrNull<{ sentence: number; bubble: number; text: string; ms: number }[]>;
  /** How far the listener has come. */
  heard: JsonOrNull<Heard>;
  created_at: Time;
  started_at: TimeOrNull;
  ended_at: TimeOrNull;
}

export interface TurnProgressTable {
  turn_id: string;
  generation: number;
  bubbles: Json<string[]>;
}

export interface ErasureTable {
  digest: Buffer;
  erased_at: Time;
}

export interface MessageTable {
  id: string;
  conversation_id: string;
  tenant_id: string;
  turn_id: string;
  role: MessageRole;
  kind: MessageKind;
  status: MessageStatus;
  parts: JSONColumnType<MessagePart[]>;
  unheard: string | null;
  reference: JsonOrNull<Reference>;
  voice_session_id: string | null;
  duration_ms: number | null;
  segment_ids: string[] | null;
  speech_attachment_id: string | null;
  retrieval: JsonOrNull<Retrieval>;
  created_at: ColumnType<Date, Date | string, Date | string>;
}

export interface SegmentTable {
  id: string;
  conversation_id: string;
  tenant_id: string;
  voice_session_id: string;
  index: number;
  is_last: Generated<boolean>;
  format: string;
  sample_rate: number | null;
  duration_ms: number | null;
  sha256: Buffer;
  storage_key: string | null;
  status: 'stored' | 'transcribed' | 'silent' | 'failed';
  text: string | null;
  turn_id: string | null;
  user_message_id: string | null;
  agent_message_id: string | null;
  /** Until then a replica is transcribing it. */
  claimed_until: TimeOrNull;
  created_at: Time;
}

export interface SegmentAudioTable {
  segment_id: string;
  data: Buffer;
}

export interface VoiceSessionTable {
  conversation_id: string;
  id: string;
  tenant_id: string;
  user_id: string;
  /** The turn that the recording becomes; another one after a failure. */
  turn_id: string;
  status: Generated<'open' | 'done' | 'failed' | 'cancelled'>;
  last_index: number | null;
  /** When the last segment came. */
  last_at: TimeOrNull;
  /** Whether the agent has said that it listens. */
  listened: Generated<boolean>;
  /** How it is to be answered, as its last segment said. */
  speak: JsonOrNull<Speak>;
  /** Milliseconds that transcription took, all segments together. */
  stt_ms: Generated<number>;
  changed_at: Time;
  created_at: Time;
}

export interface AttachmentTable {
  id: string;
  tenant_id: string;
  user_id: string;
  /** The conversation whose message used it first; none yet for an upload that waits. */
  conversation_id: string | null;
  filename: string;
  media_type: string;
  kind: AttachmentKind;
  size: number;
  sha256: Buffer;
  storage_key: string;
  created_at: Time;
}

/** A file that may be in storage without an attachment, and when it is to be removed. */
export interface StrayFileTable {
  storage_key: string;
  due_at: ColumnType<Date, Date | string, Date | string>;
}

export interface Database {
  tenants: TenantTable;
  users: UserTable;
  api_keys: ApiKeyTable;
  assistants: AssistantTable;
  conversations: ConversationTable;
  turns: TurnTable;
  turn_progress: TurnProgressTable;
  erasures: ErasureTable;
  messages: MessageTable;
  segments: SegmentTable;
  segment_audio: SegmentAudioTable;
  voice_sessions: VoiceSessionTable;
  attachments: AttachmentTable;
  stray_files: StrayFileTable;
}
