import { lockConversation, renameConversation, toConversation } from '@parley/db/repository/conversation';
import { conversationInEvent } from '@parley/db/repository/message';
import { type Conversation, renameConversationInput } from '@parley/shared/conversation';
import { publish } from '../../turn/publish.ts';
import { chat } from '../guard.ts';

export const rename = chat.input(renameConversationInput).mutation(async ({ ctx, input }): Promise<Conversation> => {
  const row = await ctx.app.db.transaction().execute(async (trx) => {
    await lockConversation(trx, ctx.owner, input.conversationId);
    return await renameConversation(trx, input.conversationId, input.title);
  });
  await publish(ctx.app.turns, {
    type: 'conversation.updated',
    conversationId: row.id,
    at: Date.now(),
    conversation: conversationInEvent(row),
  });
  return toConversation(row);
});
