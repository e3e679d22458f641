import type { Trx } from '@parley/db/connect';
import { lockConversation, type Owner } from '@parley/db/repository/conversation';
import { insertFailed, markAnnounced } from '@parley/db/repository/turn';
import { findUser } from '@parley/db/repository/user';
import type { TurnRequest } from '@parley/db/schema';
import { localeOf } from '@parley/shared/explain';
import type { Reason } from '@parley/shared/reason';
import type { TurnMedium } from '@parley/shared/turn';
import { Encoded } from '../live/encode.ts';
import { requestHash } from './accept.ts';
import { beginning, ending } from './announce.ts';
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
  const { owner, conversationId, code, request } = failed;
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
  const user = await findUser(ports.db, owner.tenant, owner.userId);
  const events = [...beginning(turn, null), ...ending(turn, null, localeOf(user?.locale))].map((event) =>
    event.type === 'turn.failed' && Object.keys(failed.details).length > 0
      ? { ...event, details: failed.details }
      : event,
  );
  await ports.log.append({ conversationId, events: events.map((event) => Encoded.of(event)) });
  await markAnnounced(ports.db, [turn.id]);
  ports.metrics.turnEnded({ status: 'failed', code, seconds: 0 });
}
