import { toConversation } from '@parley/db/repository/conversation';
import { type Conversation, conversationInput } from '@parley/shared/conversation';
import { closeConversation } from '../../turn/close.ts';
import { chat } from '../guard.ts';

export const end = chat.input(conversationInput).mutation(async ({ ctx, input }): Promise<Conversation> => {
  return toConversation(await closeConversation(ctx.app.turns, ctx.app.runner, ctx.owner, input.conversationId));
});
