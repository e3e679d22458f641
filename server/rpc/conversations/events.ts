import type { Db } from '@parley/db/connect';
import { getConversation } from '@parley/db/repository/conversation';
import { eventsInput } from '@parley/shared/conversation';
import type { TakeSnapshot } from '../../live/subscription.ts';
import { findEntry } from '../../turn/entry.ts';
import { takeSnapshot } from '../../turn/snapshot.ts';
import { chat } from '../guard.ts';
import { PushSource } from '../push.ts';

export const events = chat.input(eventsInput).subscription(async ({ ctx, input, signal }) => {
  const { app, owner } = ctx;
  const { conversationId, lastEventId } = input;
  let from = lastEventId;
  // The client is told that it has begun when this answers: where it begins has to be certain by then.
  if (from) await getConversation(app.db, owner, conversationId);
  else from = (await findEntry(app.turns, owner, conversationId)).lastEventId;
  return new PushSource((sink) => app.feed.subscribe(conversationId, from, sink, snapshotsOf(app.db)), signal);
});

const snapshots = new WeakMap<Db, TakeSnapshot>();

/** One function for all subscribers, since each of them holds it. */
function snapshotsOf(db: Db): TakeSnapshot {
  let snapshot = snapshots.get(db);
  if (!snapshot) {
    snapshot = (id, head) => takeSnapshot(db, id)(head);
    snapshots.set(db, snapshot);
  }
  return snapshot;
}
