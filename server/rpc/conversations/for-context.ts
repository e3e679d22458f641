import { isUniqueViolation } from '@parley/db/failure';
import { createConversation, findByContext, toConversation } from '@parley/db/repository/conversation';
import { type Conversation, forContextInput } from '@parley/shared/conversation';
import { newId } from '@parley/shared/id';
import { ParleyError } from '@parley/shared/reason';
import { chat } from '../guard.ts';

/** Found or created once, also under concurrent calls: a unique index decides, and who loses looks again. */
export const forContext = chat.input(forContextInput).mutation(async ({ ctx, input }): Promise<Conversation> => {
  const context = { type: input.contextType, id: input.contextId };
  for (let attempt = 0; attempt < 3; attempt++) {
    const found = await findByContext(ctx.app.db, ctx.owner, context);
    if (found) return toConversation(found);
    try {
      const made = { id: newId(), title: null, assistantId: null, context, metadata: {} };
      return toConversation(await createConversation(ctx.app.db, ctx.owner, made));
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
    }
  }
  throw new ParleyError('UNAVAILABLE');
});
