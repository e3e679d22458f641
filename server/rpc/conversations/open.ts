import { toConversation } from '@parley/db/repository/conversation';
import { findUser, toProfile } from '@parley/db/repository/user';
import { emptyProfile } from '@parley/shared/account';
import { type Conversation, openConversationInput } from '@parley/shared/conversation';
import { findEntry } from '../../turn/entry.ts';
import { greet } from '../../turn/greet.ts';
import { errorName } from '../../turn/verdict.ts';
import { chat } from '../guard.ts';

/** The place to subscribe from is taken before the greeting begins, or is where a running turn began: nothing is missed. */
export const open = chat
  .input(openConversationInput)
  .mutation(
    async ({ ctx, input }): Promise<{ conversation: Conversation; lastEventId: string; greetingTurnId?: string }> => {
      const { app, owner } = ctx;
      const { conversation, lastEventId } = await findEntry(app.turns, owner, input.conversationId);
      const opened = { conversation: toConversation(conversation), lastEventId };
      if (conversation.message_count > 0 || conversation.status === 'ended' || app.draining()) return opened;
      try {
        await app.rates.turn(ctx.principal);
        const user = await findUser(app.db, owner.tenant, owner.userId);
        const greetingTurnId = await greet(app.turns, app.runner, {
          owner,
          conversationId: conversation.id,
          profile: user ? toProfile(user) : emptyProfile,
          speak: input.speak,
        });
        return greetingTurnId === undefined ? opened : { ...opened, greetingTurnId };
      } catch (error) {
        app.turns.logger.warn({ conversationId: conversation.id, error: errorName(error) }, 'greeting not begun');
        return opened;
      }
    },
  );
