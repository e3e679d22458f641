import { setTimeout as sleep } from 'node:timers/promises';
import type { Db } from '@parley/db/connect';
import { getConversation, type Owner } from '@parley/db/repository/conversation';
import { eventsInput } from '@parley/shared/conversation';
import { ParleyError } from '@parley/shared/reason';
import type { Delivery, Sink } from '../../live/port.ts';
import type { TakeSnapshot } from '../../live/subscription.ts';
import { takeSnapshot } from '../../turn/snapshot.ts';
import { chat } from '../guard.ts';
import { PushSource } from '../push.ts';

/** How long the event that tells of a deletion may take to come by itself. */
const lastEventMs = 1_000;

export const events = chat.input(eventsInput).subscription(async ({ ctx, input, signal }) => {
  const { app, owner } = ctx;
  const { id } = await getConversation(app.db, owner, input.conversationId);
  // The client is told that it has begun when this answers: where it begins has to be certain by then.
  const from = input.lastEventId || (await app.feed.entry(id));
  return new PushSource((sink) => {
    const delivery = app.feed.subscribe(id, from, sink, snapshotsOf(app.db));
    void endIfDeleted(app.db, owner, id, delivery, sink);
    return delivery;
  }, signal);
});

/** Deleted between the look above and the subscription, its last event may have gone to nobody: this look comes after it. */
async function endIfDeleted(db: Db, owner: Owner, id: string, delivery: Delivery, sink: Sink): Promise<void> {
  try {
    await getConversation(db, owner, id);
  } catch (error) {
    if (!(error instanceof ParleyError)) return;
    await sleep(lastEventMs, undefined, { ref: false });
    if (delivery.stop()) sink.end(error);
  }
}

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
