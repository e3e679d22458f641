import { notify } from '@parley/db/notify';
import {
  type ConversationRow,
  endConversation,
  lockConversation,
  markDeleted,
  type Owner,
} from '@parley/db/repository/conversation';
import { listOpenTurns } from '@parley/db/repository/turn';
import type { Event } from '@parley/shared/event';
import { Encoded } from '../live/encode.ts';
import { interruptTurn, turnChannel } from './interrupt.ts';
import type { TurnPorts } from './ports.ts';
import type { TurnRunner } from './runner.ts';
import { erase } from './takeover.ts';

/** Appends an event that belongs to no turn. */
export async function publish(ports: Pick<TurnPorts, 'log'>, event: Event): Promise<void> {
  await ports.log.append({ conversationId: event.conversationId, events: [Encoded.of(event)] });
}

/** Ends a conversation: no new turns; what is waiting or running is interrupted, with what was said kept. */
export async function closeConversation(
  ports: TurnPorts,
  runner: TurnRunner,
  owner: Owner,
  conversationId: string,
): Promise<ConversationRow> {
  const { row, open, already } = await ports.db.transaction().execute(async (trx) => {
    const before = await lockConversation(trx, owner, conversationId);
    if (before.status === 'ended') return { row: before, open: [], already: true };
    return {
      row: await endConversation(trx, conversationId),
      open: await listOpenTurns(trx, conversationId),
      already: false,
    };
  });
  if (already) return row;
  // Those that wait first, so that none of them starts when the running one ends.
  for (const turn of open.reverse()) await interruptTurn(ports, runner, turn);
  await publish(ports, { type: 'conversation.ended', conversationId, at: Date.now() });
  return row;
}

/**
 * Deletes a conversation: gone for its user at once, its running turn stopped without a trace, its subscribers told; then
 * erased everywhere. What a crash leaves of that is finished by any replica's sweep.
 */
export async function deleteConversation(
  ports: TurnPorts,
  runner: TurnRunner,
  owner: Owner,
  conversationId: string,
): Promise<void> {
  const open = await ports.db.transaction().execute(async (trx) => {
    await lockConversation(trx, owner, conversationId);
    await markDeleted(trx, conversationId);
    return await listOpenTurns(trx, conversationId);
  });
  let remote = false;
  for (const turn of open) {
    if (turn.status !== 'running' || (await runner.stop(turn.id, 'deleted'))) continue;
    remote = true;
    await notify(ports.db, turnChannel, `deleted ${turn.id}`);
  }
  await publish(ports, { type: 'conversation.deleted', conversationId, at: Date.now() });
  // Another replica may still be writing to the log; the sweep erases once its lease is over.
  if (!remote) await erase(ports, conversationId);
}
