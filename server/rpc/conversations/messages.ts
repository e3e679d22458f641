import { getConversation } from '@parley/db/repository/conversation';
import { listMessages, toMessage } from '@parley/db/repository/message';
import { listMessagesInput } from '@parley/shared/conversation';
import type { Message } from '@parley/shared/message';
import type { Page } from '@parley/shared/page';
import { chat } from '../guard.ts';

export const messages = chat.input(listMessagesInput).query(async ({ ctx, input }): Promise<Page<Message>> => {
  const conversation = await getConversation(ctx.app.db, ctx.owner, input.conversationId);
  const page = await listMessages(ctx.app.db, conversation, input);
  return { ...page, items: page.items.map(toMessage) };
});
