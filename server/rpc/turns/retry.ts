import { toTurn } from '@parley/db/repository/turn';
import { retryTurnInput, type SentTurn, type Turn } from '@parley/shared/turn';
import { retryTurn } from '../../turn/send.ts';
import { spokenSoFar } from '../../turn/spoken.ts';
import { speaking } from '../guard.ts';

/** The new turn, and what a sender is told of it; without a message where the agent speaks first. */
type Retried = Turn & Omit<SentTurn, 'userMessageId'> & { userMessageId: string | null };

export const retry = speaking.input(retryTurnInput).mutation(async ({ ctx, input }): Promise<Retried> => {
  const { turn, message, duplicate } = await retryTurn(ctx.app.turns, ctx.app.runner, ctx.owner, input);
  // Of one that has just begun nothing can have been said: what runs is not to be denied for want of that.
  const text = duplicate ? await spokenSoFar(ctx.app.turns, turn) : '';
  return {
    ...toTurn(turn, text),
    turnId: turn.id,
    userMessageId: message?.id ?? null,
    createdAt: message?.created_at ?? turn.created_at,
    duplicate,
  };
});
