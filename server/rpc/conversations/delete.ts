import { conversationInput } from '@parley/shared/conversation';
import { ParleyError } from '@parley/shared/reason';
import { deleteConversation } from '../../turn/close.ts';
import { chat } from '../guard.ts';

/** Deleting what one has deleted already is no error. */
export const remove = chat.input(conversationInput).mutation(async ({ ctx, input }): Promise<{ deleted: true }> => {
  try {
    await deleteConversation(ctx.app.turns, ctx.app.runner, ctx.owner, input.conversationId);
  } catch (error) {
    if (!(error instanceof ParleyError && error.reason === 'CONVERSATION_DELETED')) throw error;
  }
  return { deleted: true };
});
