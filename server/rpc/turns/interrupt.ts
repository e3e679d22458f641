import { getConversation } from '@parley/db/repository/conversation';
import { findOwnTurn, findRunning } from '@parley/db/repository/turn';
import { ParleyError } from '@parley/shared/reason';
import { interruptTurnInput } from '@parley/shared/turn';
import { interruptTurn } from '../../turn/interrupt.ts';
import { findPlaying, notePlayback } from '../../turn/playback.ts';
import { chat } from '../guard.ts';

export const interrupt = chat
  .input(interruptTurnInput)
  .mutation(async ({ ctx, input }): Promise<{ interrupted: boolean }> => {
    const { app, owner } = ctx;
    const conversation = await getConversation(app.db, owner, input.conversationId);
    const turn = input.turnId
      ? await findOwnTurn(app.db, owner, input.turnId)
      : ((await findRunning(app.db, conversation.id)) ?? (input.heard && (await findPlaying(app.db, conversation.id))));
    if (input.turnId && turn?.conversation_id !== conversation.id) throw new ParleyError('NOT_FOUND');
    if (!turn) return { interrupted: false };
    if (input.heard) await notePlayback(app.turns, owner, turn.id, input.heard, 'stopped');
    const interrupted = await interruptTurn(app.turns, app.runner, turn);
    // It has ended meanwhile, and did not know how much of it was heard.
    if (input.heard && !interrupted && turn.status === 'running')
      await notePlayback(app.turns, owner, turn.id, input.heard, 'stopped');
    return { interrupted };
  });
