import { findAssistant } from '@parley/db/repository/assistant';
import { createConversation, toConversation } from '@parley/db/repository/conversation';
import { type Conversation, createConversationInput } from '@parley/shared/conversation';
import { newId } from '@parley/shared/id';
import { ParleyError } from '@parley/shared/reason';
import { chat } from '../guard.ts';

export const create = chat
  .input(createConversationInput.optional())
  .mutation(async ({ ctx, input }): Promise<Conversation> => {
    const assistantId = input?.assistantId ?? null;
    if (assistantId !== null && !(await findAssistant(ctx.app.db, ctx.owner.tenant, assistantId)))
      throw new ParleyError('NOT_FOUND', { details: { assistantId } });
    const row = await createConversation(ctx.app.db, ctx.owner, {
      id: input?.id ?? newId(),
      title: input?.title || null,
      assistantId,
      context: input?.context ?? null,
      metadata: input?.metadata ?? {},
    });
    return toConversation(row);
  });
