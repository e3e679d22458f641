import { notify } from '@parley/db/notify';
import {
  type ConversationRow,
  claimEnd,
  endConversation,
  lockConversation,
  type Owner,
} from '@parley/db/repository/conversation';
import { listUnfinished, markDeleted } from '@parley/db/repository/erasure';
import { listOpenTurns } from '@parley/db/repository/turn';
import { erase, tellDeleted } from './erase.ts';
import { interruptTurn, turnChannel } from './interrupt.ts';
import type { TurnPorts } from './ports.ts';
import { publish } from './publish.ts';
import type { TurnRunner } from './runner.ts';
import { errorName } from './verdict.ts';

/** Ends a conversation: no new turns; what is waiting or running is interrupted, with what was said kept. */
export async function closeConversation(
  ports: TurnPorts,
  runner: TurnRunner,
  owner: Owner,
  conversationId: string,
): Promise<ConversationRow> {
  const row = await ports.db.transaction().execute(async (trx) => {
    const before = await lockConversation(trx, owner, conversationId);
    return before.status === 'ended' ? before : await endConversation(trx, conversationId);
  });
  if (!row.end_told) await tellEnd(ports, runner, conversationId);
  return row;
}

/** What follows from the end of a conversation, once or again: a crash may have come in between. */
export async function tellEnd(ports: TurnPorts, runner: TurnRunner, conversationId: string): Promise<void> {
  const open = await listOpenTurns(ports.db, conversationId);
  // Those that wait first, so that none of them starts when the running one ends.
  for (const turn of open.reverse()) await interruptTurn(ports, runner, turn);
  await ports.db.transaction().execute(async (trx) => {
    if (!(await claimEnd(trx, conversationId))) return;
    await publish({ db: trx, log: ports.log }, { type: 'conversation.ended', conversationId, at: Date.now() });
  });
}

/**
 * Deletes a conversation: gone for its user at once, its running turn stopped without a trace, its subscribers told; then
 * erased everywhere. What a crash or a store that is away leaves of that is finished by any replica's sweep.
 */
export async function deleteConversation(
  ports: TurnPorts,
  runner: TurnRunner,
  owner: Owner,
  conversationId: string,
): Promise<void> {
  const unfinished = await ports.db.transaction().execute(async (trx) => {
    await lockConversation(trx, owner, conversationId);
    await markDeleted(trx, conversationId);
    await notify(trx, turnChannel, `gone ${conversationId}`);
    return await listUnfinished(trx, conversationId);
  });
  try {
    let remote = false;
    for (const turn of unfinished) {
      if (turn.status === 'queued') continue;
      const isHere = turn.status === 'running' ? await runner.stop(turn.id, 'deleted') : await runner.ended(turn.id);
      if (isHere) continue;
      remote = true;
      if (turn.status === 'running') await notify(ports.db, turnChannel, `deleted ${turn.id}`);
    }
    // Another replica may still be writing to the log; the sweep erases when it is done, or its lease is over.
    if (remote) await tellDeleted(ports.log, conversationId);
    else await erase(ports, conversationId);
  } catch (error) {
    ports.logger.warn({ conversationId, error: errorName(error) }, 'not erased yet');
  }
}
