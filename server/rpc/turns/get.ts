import { findOwnTurn, toTurn } from '@parley/db/repository/turn';
import { ParleyError } from '@parley/shared/reason';
import { type Turn, turnInput } from '@parley/shared/turn';
import { spokenSoFar } from '../../turn/spoken.ts';
import { chat } from '../guard.ts';

export const get = chat.input(turnInput).query(async ({ ctx, input }): Promise<Turn> => {
  const turn = await findOwnTurn(ctx.app.db, ctx.owner, input.turnId);
  if (!turn) throw new ParleyError('NOT_FOUND');
  return toTurn(turn, await spokenSoFar(ctx.app.turns, turn));
});
