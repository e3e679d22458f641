import { isUniqueViolation } from '@parley/db/failure';
import { findAssistant } from '@parley/db/repository/assistant';
import { type ConversationRow, createConversation, toConversation } from '@parley/db/repository/conversation';
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
    const conversation = {
      id: input?.id ?? newId(),
      title: input?.title || null,
      assistantId,
      context: input?.context ?? null,
      metadata: input?.metadata ?? {},
    };
    const create = (): Promise<ConversationRow> => createConversation(ctx.app.db, ctx.owner, conversation);
    const row = await create().catch((error: unknown) => {
      if (!isUniqueViolation(error, 'conversations_context')) throw error;
      // It may be this one, made by the same call that came twice.
      return create();
    });
    return toConversation(row);
  });
