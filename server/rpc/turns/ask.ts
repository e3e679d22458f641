import { getConversation } from '@parley/db/repository/conversation';
import { toMessage } from '@parley/db/repository/message';
import { textOf } from '@parley/shared/message';
import { ParleyError } from '@parley/shared/reason';
import { type Answer, sendTurnInput } from '@parley/shared/turn';
import { waitForEnd } from '../../turn/interrupt.ts';
import { isChinese } from '../../turn/locale.ts';
import { sendTurn } from '../../turn/send.ts';
import { replyTo } from '../../turn/spoken.ts';
import { speaking } from '../guard.ts';

/** Longer than any turn may take with what waits before it. */
const waitMs = 30 * 60_000;

export const ask = speaking.input(sendTurnInput).mutation(async ({ ctx, input, signal }): Promise<Answer> => {
  const { app } = ctx;
  const sent = await sendTurn(app.turns, app.runner, ctx.owner, input);
  const turn = await waitForEnd(app.turns, app.runner, sent.turn.id, { waitMs, ...(signal && { signal }) });
  if (!turn) {
    // Gone with its conversation, or longer on its way than anybody waits.
    await getConversation(app.db, ctx.owner, input.conversationId);
    throw new ParleyError('UNAVAILABLE');
  }
  const userMessage = toMessage(sent.message);
  const isToldByText = ctx.principal.locale === null && isChinese(textOf(userMessage.parts));
  return { userMessage, ...(await replyTo(app.db, turn, isToldByText ? 'zh' : ctx.session.locale)) };
});
