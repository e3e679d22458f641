import type { Trx } from '@parley/db/connect';
import { lockConversation, type Owner } from '@parley/db/repository/conversation';
import { insertFailed } from '@parley/db/repository/turn';
import type { TurnRequest } from '@parley/db/schema';
import type { Reason } from '@parley/shared/reason';
import type { TurnMedium } from '@parley/shared/turn';
import { requestHash } from './accept.ts';
import { announceUnrun } from './announce.ts';
import { localeOfUser } from './locale.ts';
import type { TurnPorts } from './ports.ts';

export interface FailedTurn {
  owner: Owner;
  conversationId: string;
  input: TurnMedium;
  code: Reason;
  /** What exactly is wrong, for the client. */
  details: Record<string, number[]>;
  request: TurnRequest;
  /** Under the conversation's lock: the turn's id, or none when somebody else has seen to it. */
  claim(trx: Trx): Promise<string | undefined>;
}

/** A turn that fails before there is anything to answer: it is stored, told of like any other, and can be healed by its client. */
export async function failTurn(ports: TurnPorts, failed: FailedTurn): Promise<void> {
  const { owner, conversationId, code, details } = failed;
  const request = { ...failed.request, ...(Object.keys(details).length > 0 && { details }) };
  const turn = await ports.db.transaction().execute(async (trx) => {
    await lockConversation(trx, owner, conversationId);
    const id = await failed.claim(trx);
    if (id === undefined) return undefined;
    const hash = requestHash({ conversationId, request, retryOf: null });
    return await insertFailed(trx, {
      id,
      conversationId,
      owner,
      input: failed.input,
      requestHash: hash,
      request,
      code,
    });
  });
  if (!turn) return;
  await announceUnrun(ports, turn, await localeOfUser(ports.db, turn));
  ports.metrics.turnEnded({ status: 'failed', code, seconds: 0 });
}
