import { getConversation } from '@parley/db/repository/conversation';
import { stopSpeakingInput } from '@parley/shared/voice';
import { stopSpeaking as stop } from '../../turn/interrupt.ts';
import { chat } from '../guard.ts';

export const stopSpeaking = chat
  .input(stopSpeakingInput)
  .mutation(async ({ ctx, input }): Promise<{ stopped: boolean }> => {
    const conversation = await getConversation(ctx.app.db, ctx.owner, input.conversationId);
    return { stopped: await stop(ctx.app.turns, ctx.app.runner, conversation.id) };
  });
