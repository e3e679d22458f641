import { getConversation, toConversation } from '@parley/db/repository/conversation';
import { listAllMessages, toMessage } from '@parley/db/repository/message';
import { listTurns } from '@parley/db/repository/turn';
import { conversationInput } from '@parley/shared/conversation';
import { textOf } from '@parley/shared/message';
import { keptEvents } from '../../live/kept.ts';
import { exportedTurn } from '../../turn/spoken.ts';
import { chat } from '../guard.ts';

/** The whole conversation, as one JSON document. `events` are those that the log still holds. */
export const exportConversation = chat.input(conversationInput).query(async ({ ctx, input }) => {
  const row = await getConversation(ctx.app.db, ctx.owner, input.conversationId);
  const [stored, turns, events] = await Promise.all([
    listAllMessages(ctx.app.db, row.id),
    listTurns(ctx.app.db, row.id),
    keptEvents(ctx.app.turns.log, row.id),
  ]);
  const texts = new Map(stored.filter((m) => m.role === 'agent').map((m) => [m.turn_id, textOf(m.parts)]));
  return {
    version: 1,
    exportedAt: new Date(),
    conversation: toConversation(row),
    messages: stored.map(toMessage),
    turns: turns.map((turn) => exportedTurn(turn, texts.get(turn.id) ?? '')),
    events,
  };
});
