import { getConversation } from '@parley/db/repository/conversation';
import { eventsInput } from '@parley/shared/conversation';
import { ParleyError } from '@parley/shared/reason';
import { takeSnapshot } from '../../turn/snapshot.ts';
import { chat } from '../guard.ts';
import { PushSource } from '../push.ts';

/** How long the event that tells of a deletion may take to come by itself. */
const lastEventMs = 1_000;

export const events = chat.input(eventsInput).subscription(async ({ ctx, input, signal }) => {
  const { app, owner } = ctx;
  const { id } = await getConversation(app.db, owner, input.conversationId);
  const from = input.lastEventId || undefined;
  return new PushSource((sink) => {
    const stop = app.feed.subscribe(id, from, sink, takeSnapshot(app.db, id));
    // Deleted between the look above and here, its last event may have gone to nobody: this look comes after the subscription.
    let timer: NodeJS.Timeout | undefined;
    getConversation(app.db, owner, id).catch((error: unknown) => {
      if (!(error instanceof ParleyError)) return;
      timer = setTimeout(() => {
        stop();
        sink.end(error);
      }, lastEventMs).unref();
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, signal);
});
