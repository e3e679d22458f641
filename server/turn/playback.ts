import type { Db } from '@parley/db/connect';
import { type ConversationRow, lockConversation, type Owner } from '@parley/db/repository/conversation';
import { amendMessage, conversationInEvent, findMessage } from '@parley/db/repository/message';
import { findOwnTurn, setHeard, type TurnRow } from '@parley/db/repository/turn';
import { ParleyError } from '@parley/shared/reason';
import type { Heard } from '@parley/shared/turn';
import { cutAtHeard, further } from './heard.ts';
import type { TurnPorts } from './ports.ts';
import { publish } from './publish.ts';
import { partsOf } from './settle.ts';

/** The turn whose speech a listener may still be playing: the conversation's latest, when it was answered aloud. */
export async function findPlaying(db: Db, conversationId: string): Promise<TurnRow | undefined> {
  const latest = await db
    .selectFrom('turns')
    .selectAll()
    .where('conversation_id', '=', conversationId)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
  return latest?.spoken ? latest : undefined;
}

/**
 * Notes how far the listener of a turn has come (the heard ledger). It lies on the turn's row, so that it counts whichever
 * replica it came to; a report that comes after the interruption still corrects what was stored as heard.
 * @throws ParleyError NOT_FOUND
 */
export async function notePlayback(
  ports: TurnPorts,
  owner: Owner,
  turnId: string,
  heard: Heard,
  playing: 'playing' | 'stopped' = 'playing',
): Promise<void> {
  const known = await findOwnTurn(ports.db, owner, turnId);
  if (!known) throw new ParleyError('NOT_FOUND');
  const amended = await ports.db.transaction().execute(async (trx): Promise<ConversationRow | undefined> => {
    await lockConversation(trx, owner, known.conversation_id);
    const turn = await findOwnTurn(trx, owner, turnId);
    const most = further(turn?.heard ?? null, heard);
    if (!turn || !most) return undefined;
    if (most !== turn.heard) await setHeard(trx, turnId, most);
    if (!turn.spoken || !turn.agent_message_id) return undefined;
    // An answer may be sent whole long before it has been played: who stops it then has heard only a part of it.
    const message = await findMessage(trx, turn.agent_message_id);
    const isCut = message?.status === 'interrupted' || (message?.status === 'complete' && playing === 'stopped');
    if (!isCut) return undefined;
    const cut = cutAtHeard(turn.spoken, most);
    return await amendMessage(trx, turn.conversation_id, turn.agent_message_id, {
      status: 'interrupted',
      parts: partsOf(cut.bubbles),
      unheard: cut.unheard === '' ? null : cut.unheard,
    });
  });
  // The turn has ended, so that none of its own events can tell of this.
  if (amended)
    await publish(ports, {
      type: 'conversation.updated',
      conversationId: amended.id,
      at: Date.now(),
      conversation: conversationInEvent(amended),
    });
}
