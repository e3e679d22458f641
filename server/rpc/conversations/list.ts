import { listConversations, toConversation } from '@parley/db/repository/conversation';
import { type Conversation, listConversationsInput } from '@parley/shared/conversation';
import type { Page } from '@parley/shared/page';
import { chat } from '../guard.ts';

export const list = chat
  .input(listConversationsInput.prefault({}))
  .query(async ({ ctx, input }): Promise<Page<Conversation>> => {
    const page = await listConversations(ctx.app.db, ctx.owner, input);
    return { ...page, items: page.items.map(toConversation) };
  });
