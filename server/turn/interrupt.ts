import { notify } from '@parley/db/notify';
import { lockConversation, type Owner } from '@parley/db/repository/conversation';
import { moveToEnd } from '@parley/db/repository/message';
import { findRunning, findTurn, type TurnRow } from '@parley/db/repository/turn';
import { dropQueued, requestInterrupt } from '@parley/db/repository/turn-end';
import { pause } from '@parley/shared/pause';
import { announceUnrun } from './announce.ts';
import { localeOfUser } from './locale.ts';
import type { TurnPorts } from './ports.ts';
import type { TurnRunner } from './runner.ts';

/**
 * The channel on which replicas tell each other of turns to stop; the payload is `<kind> <turn id>`, or `gone <conversation id>`
 * when a conversation is deleted.
 */
export const turnChannel = 'parley_turn';

/** How long a caller waits for another replica to stop a turn; past it the lease or the takeover ends it. */
const remoteWaitMs = 20_000;

/** Stops a turn wherever it runs, and waits until it has ended. True when that interrupted it. */
export async function interruptTurn(ports: TurnPorts, runner: TurnRunner, turn: TurnRow): Promise<boolean> {
  if (turn.status === 'queued') {
    if (await dropWaiting(ports, turn)) return true;
    const now = await findTurn(ports.db, turn.id);
    return now?.status === 'running' && (await interruptTurn(ports, runner, now));
  }
  if (turn.status !== 'running') return false;
  if (!(await runner.stop(turn.id, 'interrupt'))) {
    if (!(await requestInterrupt(ports.db, turn.id))) return false;
    await notify(ports.db, turnChannel, `interrupt ${turn.id}`);
  }
  const ended = await waitForEnd(ports, runner, turn.id);
  return ended?.status === 'interrupted';
}

/** Stops the speech of a conversation's running turn, wherever it runs; its text goes on. True when there was such a turn. */
export async function stopSpeaking(ports: TurnPorts, runner: TurnRunner, conversationId: string): Promise<boolean> {
  const turn = await findRunning(ports.db, conversationId);
  if (!turn) return false;
  if (turn.owner === ports.replica) return runner.hush(turn.id);
  await notify(ports.db, turnChannel, `hush ${turn.id}`);
  return true;
}

/** The turn when it has ended and its last event is out; undefined when that takes longer than the wait is bounded to. */
export async function waitForEnd(
  ports: Pick<TurnPorts, 'db'>,
  runner: TurnRunner,
  turnId: string,
  options: { waitMs?: number; signal?: AbortSignal } = {},
): Promise<TurnRow | undefined> {
  const until = performance.now() + (options.waitMs ?? remoteWaitMs);
  for (let pauseMs = 20; ; pauseMs = Math.min(pauseMs * 2, 250)) {
    await runner.ended(turnId);
    const row = await findTurn(ports.db, turnId);
    if (!row || (row.ended_at !== null && row.announced)) return row;
    if (performance.now() > until) return undefined;
    options.signal?.throwIfAborted();
    await pause(pauseMs, options.signal);
  }
}

/** A turn that still waits is taken out of the queue. Its events say so, as for any other turn. */
async function dropWaiting(ports: TurnPorts, turn: TurnRow): Promise<boolean> {
  const owner: Owner = { tenant: turn.tenant_id, userId: turn.user_id };
  const dropped = await ports.db.transaction().execute(async (trx) => {
    await lockConversation(trx, owner, turn.conversation_id);
    const row = await dropQueued(trx, turn.id);
    if (row?.user_message_id) await moveToEnd(trx, turn.conversation_id, row.user_message_id);
    return row;
  });
  // It has begun, or ended, in the meantime.
  if (!dropped) return false;
  await announceUnrun(ports, dropped, await localeOfUser(ports.db, dropped));
  return true;
}
