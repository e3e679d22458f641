import { type ConversationRow, getConversation, type Owner } from '@parley/db/repository/conversation';
import { ParleyError } from '@parley/shared/reason';
import { eventId } from '../live/id.ts';
import type { Head } from '../live/port.ts';
import type { TurnPorts } from './ports.ts';

/** A conversation, and the event id from which a subscriber that has seen nothing of it follows it without missing anything. */
export interface Entry {
  conversation: ConversationRow;
  lastEventId: string;
}

/**
 * The owner's conversation with the place where a subscriber without a last event begins: before the running turn's first event,
 * else at the end of the log.
 * @throws ParleyError NOT_FOUND, CONVERSATION_DELETED
 */
export async function findEntry(
  { db, log }: Pick<TurnPorts, 'db' | 'log'>,
  owner: Owner,
  conversationId: string,
): Promise<Entry> {
  await getConversation(db, owner, conversationId);
  const head = await log.head(conversationId);
  try {
    // Once more, behind the head: what tells of a deletion from here on stands behind the entry.
    return { conversation: await getConversation(db, owner, conversationId), lastEventId: beginning(head) };
  } catch (error) {
    // Looking at a log that has been erased has begun it anew.
    if (error instanceof ParleyError) await log.forget(conversationId).catch(() => {});
    throw error;
  }
}

function beginning({ epoch, seq, running }: Head): string {
  if (running === null) return eventId(epoch, seq);
  // A place in no log, which is answered with a gap: the turn's first events are gone.
  if (running.start === undefined) return eventId(epoch - 1, 0);
  return eventId(epoch, running.start);
}
