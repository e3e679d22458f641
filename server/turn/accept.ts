import { createHash } from 'node:crypto';
import type { Db, Trx } from '@parley/db/connect';
import { type ConversationRow, lockConversation, type Owner } from '@parley/db/repository/conversation';
import { findMessage, type HumanMessage, insertMessage, type MessageRow } from '@parley/db/repository/message';
import { findTurnAmongOpen, insertTurn, type NewTurn, type TurnRow } from '@parley/db/repository/turn';
import { acceptAtOnce } from '@parley/db/repository/turn-accept';
import type { TurnRequest } from '@parley/db/schema';
import { canonicalJson } from '@parley/shared/canonical';
import { newId } from '@parley/shared/id';
import { limits } from '@parley/shared/limits';
import type { MessagePart } from '@parley/shared/message';
import { ParleyError } from '@parley/shared/reason';
import type { TurnMedium } from '@parley/shared/turn';
import { checkpoint } from './checkpoint.ts';

export interface AcceptInput {
  owner: Owner;
  conversationId: string;
  turnId: string;
  input: TurnMedium;
  request: TurnRequest;
  /** The message to store, one that is stored already (another try of its turn), or none (the agent speaks first). */
  message: NewHumanMessage | { id: string } | null;
  retryOf: string | null;
  /** What to do behind a running turn. */
  onBusy: 'reject' | 'queue';
  claim: { replica: string; leaseMs: number };
  /** Looked at under the conversation's lock; throws to refuse. */
  check?: (trx: Trx, conversation: ConversationRow) => Promise<void>;
  /** Called in the same transaction once turn and message are stored: what must not be true without them. */
  stored?: (trx: Trx, ids: { turnId: string; userMessageId: string | null }) => Promise<void>;
}

/** What a user has said. With `voice` it was spoken. */
export interface NewHumanMessage {
  parts: MessagePart[];
  voice?: { voiceSessionId: string; durationMs: number; segmentIds: string[] };
}

export type Acceptance =
  | {
      kind: 'accepted';
      turn: TurnRow;
      message: MessageRow | null;
      assistantId: string | null;
      /** The conversation's, with this turn's message and without. */
      revision: number;
      before: number;
    }
  | { kind: 'duplicate'; turn: TurnRow; message: MessageRow | null }
  | { kind: 'busy'; running: TurnRow; waiting: number };

/** What makes two sends of one id the same send: the order of keys does not, since a client that sends again may change it. */
export function requestHash(value: { conversationId: string; request: TurnRequest; retryOf: string | null }): Buffer {
  const { audio, parts, pageContext, assistantId, model, speak, instruction } = value.request;
  // Of a recording its bytes count: another transcription of them is the same send.
  const body = [
    value.conversationId,
    audio ?? parts,
    pageContext,
    assistantId,
    model,
    speak,
    instruction,
    value.retryOf,
  ];
  return createHash('sha256').update(canonicalJson(body)).digest();
}

/**
 * Commits a turn with its user's message, or says that the conversation is busy. Exactly once for an id, also under
 * concurrent calls on any replicas: the conversation's row is locked first, the turn's primary key decides.
 * @throws ParleyError NOT_FOUND, CONVERSATION_DELETED, CONVERSATION_ENDED, IDEMPOTENCY_CONFLICT, TURN_IN_PROGRESS
 */
export async function accept(db: Db, input: AcceptInput): Promise<Acceptance> {
  const hash = requestHash(input);
  const human = humanMessage(input);
  if (human && !input.check && !input.stored) {
    checkpoint('accept.commit', input.turnId);
    const turn = newTurn(input, hash, human.id, input.claim);
    const accepted = await acceptAtOnce(db, turn, human);
    if (accepted) return { kind: 'accepted', ...accepted, before: accepted.revision - 1 };
  }
  return await db.transaction().execute(async (trx) => {
    const conversation = await lockConversation(trx, input.owner, input.conversationId);
    const { known, open } = await findTurnAmongOpen(trx, input.turnId, conversation.id);
    if (known) return await again(trx, input, known, hash);
    if (conversation.status === 'ended') throw new ParleyError('CONVERSATION_ENDED');
    await input.check?.(trx, conversation);
    const [first] = open;
    if (first) {
      const waiting = open.filter((turn) => turn.status === 'queued').length;
      if (input.onBusy === 'reject') return { kind: 'busy', running: first, waiting };
      if (waiting >= limits.queuedTurns)
        throw new ParleyError('TURN_IN_PROGRESS', { details: { waiting, limit: limits.queuedTurns } });
    }
    const before = Number(conversation.revision);
    const stored = human && (await insertMessage(trx, human));
    const message = stored ? stored.message : await repeatedMessage(trx, input);
    const turn = await insertTurn(trx, newTurn(input, hash, message?.id ?? null, first ? null : input.claim));
    await input.stored?.(trx, { turnId: turn.id, userMessageId: turn.user_message_id });
    checkpoint('accept.commit', turn.id);
    const { assistant_id: assistantId } = conversation;
    return { kind: 'accepted', turn, message, assistantId, revision: stored?.revision ?? before, before };
  });
}

async function again(trx: Trx, input: AcceptInput, turn: TurnRow, hash: Buffer): Promise<Acceptance> {
  if (turn.tenant_id !== input.owner.tenant || turn.user_id !== input.owner.userId) throw new ParleyError('NOT_FOUND');
  if (turn.conversation_id !== input.conversationId || !turn.request_hash.equals(hash))
    throw new ParleyError('IDEMPOTENCY_CONFLICT');
  const message = turn.user_message_id ? await findMessage(trx, turn.user_message_id) : undefined;
  return { kind: 'duplicate', turn, message: message ?? null };
}

/** The message that a turn brings; null when it repeats one or has none. */
function humanMessage(input: AcceptInput): HumanMessage | null {
  if (input.message === null || 'id' in input.message) return null;
  const { parts, voice } = input.message;
  return {
    id: newId(),
    conversation_id: input.conversationId,
    tenant_id: input.owner.tenant,
    turn_id: input.turnId,
    role: 'human',
    kind: voice ? 'audio' : 'text',
    status: 'complete',
    parts,
    unheard: null,
    reference: null,
    voice_session_id: voice?.voiceSessionId ?? null,
    duration_ms: voice?.durationMs ?? null,
    segment_ids: voice?.segmentIds ?? null,
    speech_attachment_id: null,
    retrieval: null,
  };
}

async function repeatedMessage(trx: Trx, { message }: AcceptInput): Promise<MessageRow | null> {
  return message && 'id' in message ? ((await findMessage(trx, message.id)) ?? null) : null;
}

function newTurn(
  input: AcceptInput,
  requestHash: Buffer,
  userMessageId: string | null,
  claim: NewTurn['claim'],
): NewTurn {
  const { turnId: id, conversationId, owner, input: medium, request, retryOf } = input;
  return { id, conversationId, owner, input: medium, requestHash, request, retryOf, userMessageId, claim };
}
