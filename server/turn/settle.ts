import type { Db } from '@parley/db/connect';
import { isTransient } from '@parley/db/failure';
import { findMessage, insertMessage, type MessageRow, moveToEnd } from '@parley/db/repository/message';
import { linkAnswer } from '@parley/db/repository/segment';
import { findRunning, findTurn, promoteNext, type TurnRow } from '@parley/db/repository/turn';
import { endTurn } from '@parley/db/repository/turn-end';
import { newId } from '@parley/shared/id';
import type { MessagePart, MessageStatus } from '@parley/shared/message';
import { pause } from '@parley/shared/pause';
import type { Reason } from '@parley/shared/reason';
import type { Metrics } from '@parley/shared/turn';
import { checkpoint } from './checkpoint.ts';
import { cutAtHeard, type SpokenSentence } from './heard.ts';
import { TurnTrace } from './trace.ts';

export interface Outcome {
  status: 'completed' | 'interrupted' | 'failed';
  code?: Reason;
  /** What was delivered. */
  bubbles: readonly string[];
  /** Of a spoken answer: its sentences, each with the real length of its sound. */
  spoken?: readonly SpokenSentence[];
  /** The file that its sound was kept in. */
  speechAttachmentId?: string;
  metrics: Metrics;
}

export interface Settled {
  kind: 'settled';
  turn: TurnRow;
  message: MessageRow | null;
  /** The conversation's, before and after this; null where more than the agent's message has changed, or is not known. */
  revision: { before: number; after: number } | null;
  /** The turn that waited behind this one and runs now, with its message. */
  next: { turn: TurnRow; message: MessageRow | null; claimedAt: number } | null;
}

/** `fenced`: another generation owns the turn now. `deleted`: its conversation is gone. Nothing was written. */
export type Settlement = Settled | { kind: 'fenced' } | { kind: 'deleted' };

const messageStatus: Record<Outcome['status'], MessageStatus> = {
  completed: 'complete',
  interrupted: 'interrupted',
  failed: 'failed',
};

/** Who is to run the turn that waited, and for how long without a sign of life. */
export interface Claim {
  replica: string;
  leaseMs: number;
}

/**
 * Ends a turn in one transaction: its status, the agent's message if anything was said, and the turn that waited behind it.
 * An unclear commit is settled by the message's id. Tries again, within bounds, while the database is away.
 */
export async function settle(
  db: Db,
  turn: { id: string; generation: number; conversation_id: string },
  outcome: Outcome,
  claim: Claim | undefined,
): Promise<Settlement> {
  const trace = TurnTrace.of(turn);
  const settling = trace?.start('settle');
  try {
    const settlement = await settleClearly(db, turn, outcome, claim);
    settling?.end();
    trace?.settled(settlement, outcome);
    return settlement;
  } catch (error) {
    settling?.end({}, error);
    trace?.abandon('unsettled');
    throw error;
  }
}

async function settleClearly(
  db: Db,
  turn: { id: string; generation: number; conversation_id: string },
  outcome: Outcome,
  claim: Claim | undefined,
): Promise<Settlement> {
  const messageId = newId();
  for (let attempt = 0; ; attempt++) {
    try {
      return await settleOnce(db, turn, outcome, claim, messageId);
    } catch (error) {
      if (!isTransient(error) || attempt >= 60) throw error;
      await pause(Math.min(100 * 2 ** attempt, 2_000));
    }
  }
}

async function settleOnce(
  db: Db,
  turn: { id: string; generation: number; conversation_id: string },
  outcome: Outcome,
  claim: Claim | undefined,
  messageId: string,
): Promise<Settlement> {
  const claimedAt = performance.now();
  return await db.transaction().execute(async (trx): Promise<Settlement> => {
    const conversation = await trx
      .selectFrom('conversations')
      .select(['tenant_id', 'deleted_at', 'status', 'revision'])
      .where('id', '=', turn.conversation_id)
      .forUpdate()
      .executeTakeFirst();
    if (!conversation || conversation.deleted_at) return { kind: 'deleted' };
    const agentMessageId = outcome.bubbles.some((text) => text.trim() !== '') ? messageId : null;
    const ended = await endTurn(trx, turn, {
      status: outcome.status,
      code: outcome.code ?? null,
      agentMessageId,
      metrics: outcome.metrics,
      spoken: outcome.spoken ? [...outcome.spoken] : null,
    });
    const before = Number(conversation.revision);
    if (!ended) {
      // The commit of an attempt before this one may have gone through although its answer was lost.
      const row = await findTurn(trx, turn.id);
      const ours = row?.generation === turn.generation && row.ended_at && row.agent_message_id === agentMessageId;
      if (!row || !ours) return { kind: 'fenced' };
      const message = agentMessageId ? await findMessage(trx, agentMessageId) : undefined;
      const running = await findRunning(trx, turn.conversation_id);
      const next = running && running.owner === claim?.replica ? running : undefined;
      const waited = next?.user_message_id ? await findMessage(trx, next.user_message_id) : undefined;
      return {
        kind: 'settled',
        turn: row,
        message: message ?? null,
        revision: null,
        next: next ? { turn: next, message: waited ?? null, claimedAt } : null,
      };
    }
    const { bubbles, unheard } = heardOf(outcome, ended);
    const stored = agentMessageId
      ? await insertMessage(trx, {
          id: agentMessageId,
          conversation_id: turn.conversation_id,
          tenant_id: conversation.tenant_id,
          turn_id: turn.id,
          role: 'agent',
          kind: 'text',
          status: messageStatus[outcome.status],
          parts: partsOf(bubbles),
          unheard,
          speech_attachment_id: outcome.speechAttachmentId ?? null,
        })
      : null;
    if (agentMessageId && ended.input === 'voice') await linkAnswer(trx, turn.id, agentMessageId);
    const goesOn = claim && conversation.status === 'active';
    const promoted = goesOn ? await promoteNext(trx, turn.conversation_id, claim) : undefined;
    const moved = promoted?.user_message_id
      ? await moveToEnd(trx, turn.conversation_id, promoted.user_message_id)
      : null;
    checkpoint('settle.commit', turn.id);
    return {
      kind: 'settled',
      turn: ended,
      message: stored?.message ?? null,
      revision: moved ? null : { before, after: stored?.revision ?? before },
      next: promoted ? { turn: promoted, message: moved, claimedAt } : null,
    };
  });
}

/** One part a bubble; none is empty. */
export function partsOf(bubbles: readonly string[]): MessagePart[] {
  return bubbles.filter((text) => text.trim() !== '').map((text) => ({ type: 'text', text }));
}

/** Of an answer that was interrupted while it was spoken, what its listener heard; of any other, all of it. */
function heardOf(outcome: Outcome, ended: TurnRow): { bubbles: readonly string[]; unheard: string | null } {
  if (outcome.status !== 'interrupted' || !outcome.spoken || !ended.heard)
    return { bubbles: outcome.bubbles, unheard: null };
  const { bubbles, unheard } = cutAtHeard(outcome.spoken, ended.heard);
  return { bubbles, unheard: unheard === '' ? null : unheard };
}
