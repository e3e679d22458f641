import { retryTurnInput, type SentTurn } from '@parley/shared/turn';
import { retryTurn } from '../../turn/send.ts';
import { speaking } from '../guard.ts';

export const retry = speaking
  .input(retryTurnInput)
  .mutation(async ({ ctx, input }): Promise<Omit<SentTurn, 'userMessageId'> & { userMessageId: string | null }> => {
    const sent = await retryTurn(ctx.app.turns, ctx.app.runner, ctx.owner, input);
    return {
      turnId: sent.turn.id,
      userMessageId: sent.message?.id ?? null,
      createdAt: sent.message?.created_at ?? sent.turn.created_at,
      duplicate: sent.duplicate,
    };
  });
