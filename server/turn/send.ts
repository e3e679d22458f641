import type { Trx } from '@parley/db/connect';
import { findAssistant } from '@parley/db/repository/assistant';
import { type AttachmentRow, claimAttachments, findAttachments } from '@parley/db/repository/attachment';
import type { Owner } from '@parley/db/repository/conversation';
import type { MessageRow } from '@parley/db/repository/message';
import { findOwnTurn, type TurnRow } from '@parley/db/repository/turn';
import { findUser, type UserRow } from '@parley/db/repository/user';
import type { TurnRequest } from '@parley/db/schema';
import { newId } from '@parley/shared/id';
import type { MessagePart } from '@parley/shared/message';
import { ParleyError } from '@parley/shared/reason';
import type { OnBusy, RetryTurnInput, SendTurnInput, TurnMedium, TurnPart } from '@parley/shared/turn';
import { type AcceptInput, accept } from './accept.ts';
import { checkpoint } from './checkpoint.ts';
import { interruptTurn } from './interrupt.ts';
import type { TurnPorts } from './ports.ts';
import type { TurnRunner } from './runner.ts';

/** How often a send that interrupts makes way for itself before it says that the conversation is busy. */
const interruptTries = 4;

export interface Sent {
  turn: TurnRow;
  message: MessageRow | null;
  duplicate: boolean;
}

type ToSubmit = Omit<AcceptInput, 'claim' | 'onBusy'> & { onBusy: OnBusy };

/**
 * Accepts a turn and starts it here, or leaves it waiting. Resolves when it is committed, before the agent answers.
 * @throws ParleyError as `accept`
 */
export async function submit(ports: TurnPorts, runner: TurnRunner, input: ToSubmit): Promise<Sent> {
  let onBusy = input.onBusy;
  let user: Promise<UserRow | undefined> | undefined;
  for (let tries = 0; ; tries++) {
    const claimedAt = performance.now();
    const accepting = accept(ports.db, {
      ...input,
      onBusy: onBusy === 'queue' ? 'queue' : 'reject',
      claim: runner.claim,
    });
    // Looked up meanwhile: the answer needs it as soon as the turn is committed.
    user ??= findUser(ports.db, input.owner.tenant, input.owner.userId);
    user.catch(() => undefined);
    const result = await accepting;
    if (result.kind === 'duplicate') return { turn: result.turn, message: result.message, duplicate: true };
    if (result.kind === 'accepted') {
      checkpoint('accept.committed', result.turn.id);
      const { turn, message, assistantId, before, revision } = result;
      if (turn.status === 'running')
        runner.start({
          turn,
          message,
          claimedAt,
          acceptedAt: claimedAt,
          seen: { assistantId, before, revision, user },
        });
      return { turn, message, duplicate: false };
    }
    if (onBusy === 'reject' || tries >= interruptTries)
      throw new ParleyError('TURN_IN_PROGRESS', { details: { turnId: result.running.id } });
    await interruptTurn(ports, runner, result.running);
    // Turns that waited before this one keep their place.
    if (result.waiting > 0) onBusy = 'queue';
  }
}

function requestOf(input: SendTurnInput): TurnRequest {
  return {
    parts: input.parts,
    ...(input.pageContext !== undefined && { pageContext: input.pageContext }),
    ...(input.assistantId !== undefined && { assistantId: input.assistantId }),
    ...(input.model !== undefined && { model: input.model }),
    ...(input.speak !== undefined && { speak: input.speak }),
  };
}

/** The parts as they are stored. Attachments that were not found are left out: such a turn is refused. */
function storedParts(parts: readonly TurnPart[], attachments: readonly AttachmentRow[]): MessagePart[] {
  return parts.flatMap((part): MessagePart[] => {
    if (part.type === 'text') return [part];
    const found = attachments.find(({ id }) => id === part.attachmentId);
    return found ? [{ type: 'attachment', attachmentId: found.id, kind: found.kind, filename: found.filename }] : [];
  });
}

/**
 * A user's turn in text, with attachments.
 * @throws ParleyError as `accept`; NOT_FOUND also for an assistant that the tenant or an attachment that the user does not
 * have, which it names
 */
export async function sendTurn(
  ports: TurnPorts,
  runner: TurnRunner,
  owner: Owner,
  input: SendTurnInput,
): Promise<Sent & { message: MessageRow }> {
  const { assistantId, conversationId } = input;
  const attachmentIds = [...new Set(input.parts.flatMap((part) => (part.type === 'text' ? [] : [part.attachmentId])))];
  const [attachments, assistant] = await Promise.all([
    findAttachments(ports.db, owner, attachmentIds),
    assistantId === undefined ? null : findAssistant(ports.db, owner.tenant, assistantId),
  ]);
  const missing = attachmentIds.find((id) => !attachments.some((found) => found.id === id));
  const absent =
    missing !== undefined ? { attachmentId: missing } : assistant === undefined ? { assistantId } : undefined;
  const sent = await submit(ports, runner, {
    owner,
    conversationId,
    turnId: input.turnId ?? newId(),
    input: 'text',
    request: requestOf(input),
    message: { parts: storedParts(input.parts, attachments) },
    retryOf: null,
    onBusy: input.onBusy,
    ...(absent && {
      // Refused under the lock: a message that was accepted once still is, whatever has gone since.
      check: async () => {
        throw new ParleyError('NOT_FOUND', { details: absent });
      },
    }),
    ...(attachmentIds.length > 0 && {
      stored: (trx: Trx) => claimAttachments(trx, owner, attachmentIds, conversationId),
    }),
  });
  const { message } = sent;
  // An id that names a turn without a user's message is not this send's.
  if (!message) throw new ParleyError('IDEMPOTENCY_CONFLICT');
  return { ...sent, message };
}

/**
 * A failed or interrupted turn again, as a new turn on the same user's message.
 * @throws ParleyError NOT_FOUND, TURN_IN_PROGRESS, PROTOCOL_ORDER (it was answered), IDEMPOTENCY_CONFLICT (of `retryId`)
 */
export async function retryTurn(
  ports: TurnPorts,
  runner: TurnRunner,
  owner: Owner,
  { turnId, retryId }: RetryTurnInput,
): Promise<Sent> {
  const turn = await findOwnTurn(ports.db, owner, turnId);
  if (!turn) throw new ParleyError('NOT_FOUND');
  if (turn.status === 'running' || turn.status === 'queued')
    throw new ParleyError('TURN_IN_PROGRESS', { details: { turnId } });
  if (turn.status === 'completed') throw new ParleyError('PROTOCOL_ORDER', { details: { status: turn.status } });
  // A recording that never became a message is sent again, not answered again.
  if (turn.user_message_id === null && turn.input !== 'greeting')
    throw new ParleyError('PROTOCOL_ORDER', { details: { status: turn.status } });
  const input: TurnMedium = turn.input;
  return await submit(ports, runner, {
    owner,
    conversationId: turn.conversation_id,
    turnId: retryId ?? newId(),
    input,
    request: turn.request,
    message: turn.user_message_id ? { id: turn.user_message_id } : null,
    retryOf: turn.id,
    onBusy: 'reject',
  });
}
