import { toConversation } from '@parley/db/repository/conversation';
import { findRunning, toTurn } from '@parley/db/repository/turn';
import { type Conversation, conversationInput } from '@parley/shared/conversation';
import type { Turn } from '@parley/shared/turn';
import { findEntry } from '../../turn/entry.ts';
import { spokenSoFar } from '../../turn/spoken.ts';
import { chat } from '../guard.ts';

/** A conversation as it is read, and where to follow it from without missing what comes after this was read. */
interface Got extends Conversation {
  conversation: Conversation;
  runningTurn: Turn | null;
  lastEventId: string;
}

export const get = chat.input(conversationInput).query(async ({ ctx, input }): Promise<Got> => {
  const { app, owner } = ctx;
  // Where to follow it from comes first: what happens meanwhile is in the events, too.
  const entry = await findEntry(app.turns, owner, input.conversationId);
  const turn = await findRunning(app.db, entry.conversation.id);
  const conversation = toConversation(entry.conversation);
  const runningTurn = turn ? toTurn(turn, await spokenSoFar(app.turns, turn)) : null;
  return { ...conversation, conversation, runningTurn, lastEventId: entry.lastEventId };
});
