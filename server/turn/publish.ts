import type { Db } from '@parley/db/connect';
import { isDeleted } from '@parley/db/repository/erasure';
import type { Event } from '@parley/shared/event';
import { Encoded } from '../live/encode.ts';
import type { LogStore } from '../live/port.ts';
import type { TurnPorts } from './ports.ts';

/**
 * Appends an event that belongs to no turn. Of a conversation that has been deleted meanwhile nothing comes back by it. `db` may
 * be a transaction.
 */
export async function publish({ db, log }: { db: Db; log: LogStore }, event: Event): Promise<void> {
  const { conversationId } = event;
  await log.append({ conversationId, events: [Encoded.of(event)] });
  // Behind the append: a deletion that this look does not see erases the log after it.
  await retract({ db, log }, conversationId);
}

/** Takes back what was written outside the database of a conversation that is deleted: it may have been erased before that. */
export async function retract(
  { db, log, history }: Pick<TurnPorts, 'db' | 'log'> & Partial<Pick<TurnPorts, 'history'>>,
  conversationId: string,
): Promise<void> {
  if (!(await isDeleted(db, conversationId))) return;
  await history?.forget(conversationId);
  await log.forget(conversationId).catch(() => {});
}
