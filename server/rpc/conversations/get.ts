import { getConversation, toConversation } from '@parley/db/repository/conversation';
import { findRunning, toTurn } from '@parley/db/repository/turn';
import { type Conversation, conversationInput } from '@parley/shared/conversation';
import type { Turn } from '@parley/shared/turn';
import { spokenSoFar } from '../../turn/spoken.ts';
import { chat } from '../guard.ts';

export const get = chat
  .input(conversationInput)
  .query(async ({ ctx, input }): Promise<{ conversation: Conversation; runningTurn: Turn | null } & Conversation> => {
    const row = await getConversation(ctx.app.db, ctx.owner, input.conversationId);
    const turn = await findRunning(ctx.app.db, row.id);
    const conversation = toConversation(row);
    const runningTurn = turn ? toTurn(turn, await spokenSoFar(ctx.app.turns, turn)) : null;
    return { ...conversation, conversation, runningTurn };
  });
