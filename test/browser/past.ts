import type { Database } from '@parley/db/schema';
import { newId } from '@parley/shared/id';
import type { MessagePart, Reference } from '@parley/shared/message';
import type { Kysely } from 'kysely';

/** A message that is in the database before any page is open. */
export interface PastMessage {
  role: 'human' | 'agent';
  /** A text for each bubble, or an attachment. */
  parts: readonly (string | Extract<MessagePart, { type: 'attachment' }>)[];
  status?: 'complete' | 'interrupted' | 'failed';
  unheard?: string;
  reference?: Reference;
  /** Spoken, for so many milliseconds. */
  spokenMs?: number;
}

export interface PastConversation {
  title: string;
  messages: Iterable<PastMessage>;
  /** When its last message was; now. */
  endedAt?: Date;
  status?: 'active' | 'ended';
  /** Milliseconds between two messages; 40 s. */
  stepMs?: number;
}

/** A server's database. */
export interface Stored {
  database: { db: Kysely<Database> };
}

/** Rows of one statement. */
const batch = 1_000;
/** Puts a conversation straight into the database, as if this user of the tests' tenant had had it. Returns its id. */
export async function hadConversation({ database: { db } }: Stored, user: string, past: PastConversation) {
  const { title, status = 'active', endedAt = new Date(), stepMs = 40_000 } = past;
  const id = newId();
  const messages = [...past.messages];
  const from = endedAt.getTime() - messages.length * stepMs;
  const textOf = ({ parts }: PastMessage): string =>
    parts.map((part) => (typeof part === 'string' ? part : '')).join('');
  await db
    .insertInto('conversations')
    .values({
      id,
      tenant_id: 'acme',
      user_id: user,
      title,
      status,
      metadata: '{}',
      revision: 1,
      message_count: messages.length,
      preview: textOf(messages.at(-1) ?? { role: 'agent', parts: [] }).slice(0, 140),
      request_hash: Buffer.alloc(32),
      created_at: new Date(from),
      last_message_at: endedAt,
      ended_at: status === 'ended' ? endedAt : null,
    })
    .execute();
  let turnId = newId();
  const rows = messages.map((message, index) => {
    if (message.role === 'human' || index === 0) turnId = newId();
    const parts = message.parts.map(
      (part): MessagePart => (typeof part === 'string' ? { type: 'text', text: part } : part),
    );
    return {
      id: newId(),
      conversation_id: id,
      tenant_id: 'acme',
      turn_id: turnId,
      role: message.role,
      kind: message.spokenMs === undefined ? ('text' as const) : ('audio' as const),
      status: message.status ?? ('complete' as const),
      parts: JSON.stringify(parts),
      unheard: message.unheard ?? null,
      reference: message.reference ? JSON.stringify(message.reference) : null,
      voice_session_id: message.spokenMs === undefined ? null : newId(),
      duration_ms: message.spokenMs ?? null,
      created_at: new Date(from + (index + 1) * stepMs),
    };
  });
  for (let at = 0; at < rows.length; at += batch)
    await db
      .insertInto('messages')
      .values(rows.slice(at, at + batch))
      .execute();
  return id;
}
