import type { Db } from '@parley/db/connect';
import { conversationInEvent, inEvent, listMessages, toMessage } from '@parley/db/repository/message';
import type { Snapshot } from '@parley/shared/event';
import type { Head } from '../live/port.ts';

/** Messages in a snapshot. */
const messageCount = 50;

/**
 * A conversation's state for a subscriber that missed events. `head` is taken before the database is read: what is committed
 * in between shows up in the events that follow as well, and a message stored twice is the same message.
 */
export function takeSnapshot(db: Db, conversationId: string): (head: Head) => Promise<Snapshot | 'deleted'> {
  return async ({ running }) => {
    const row = await db.selectFrom('conversations').selectAll().where('id', '=', conversationId).executeTakeFirst();
    if (!row || row.deleted_at) return 'deleted';
    const page = await listMessages(db, row, { limit: messageCount, order: 'desc' });
    return {
      conversation: conversationInEvent(row),
      messages: page.items.reverse().map((message) => inEvent(toMessage(message))),
      turn: running && {
        id: running.turnId,
        status: 'running',
        text: running.bubbles.join(''),
        bubbles: running.bubbles,
      },
    };
  };
}
