import { type SentTurn, sendTurnInput } from '@parley/shared/turn';
import { sendTurn } from '../../turn/send.ts';
import { speaking } from '../guard.ts';

export const send = speaking.input(sendTurnInput).mutation(async ({ ctx, input }): Promise<SentTurn> => {
  const sent = await sendTurn(ctx.app.turns, ctx.app.runner, ctx.owner, input);
  return {
    turnId: sent.turn.id,
    userMessageId: sent.message.id,
    createdAt: sent.message.created_at,
    duplicate: sent.duplicate,
  };
});
