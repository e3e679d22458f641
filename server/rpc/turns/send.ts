import { ParleyError } from '@parley/shared/reason';
import { type SentTurn, sendTurnInput } from '@parley/shared/turn';
import { type Sent, sendTurn } from '../../turn/send.ts';
import { speaking } from '../guard.ts';

export const send = speaking.input(sendTurnInput).mutation(async ({ ctx, input }): Promise<SentTurn> => {
  return sentOf(await sendTurn(ctx.app.turns, ctx.app.runner, ctx.owner, input));
});

/** What a sender is told of a turn with a user's message. */
export function sentOf({ turn, message, duplicate }: Sent): SentTurn {
  // An id that names a turn without one is not this sender's.
  if (!message) throw new ParleyError('IDEMPOTENCY_CONFLICT');
  return { turnId: turn.id, userMessageId: message.id, createdAt: message.created_at, duplicate };
}
