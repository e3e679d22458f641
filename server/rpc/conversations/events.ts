import { getConversation } from '@parley/db/repository/conversation';
import { eventsInput } from '@parley/shared/conversation';
import { ParleyError } from '@parley/shared/reason';
import { takeSnapshot } from '../../turn/snapshot.ts';
import { chat } from '../guard.ts';
import { PushSource } from '../push.ts';

export const events = chat.input(eventsInput).subscription(async ({ ctx, input, signal }) => {
  const { app, owner } = ctx;
  const { id } = await getConversation(app.db, owner, input.conversationId);
  const from = input.lastEventId || undefined;
  return new PushSource((sink) => {
    const stop = app.feed.subscribe(id, from, sink, takeSnapshot(app.db, id));
    // Deleted between the look above and here, its last event went to nobody: this look comes after the subscription.
    getConversation(app.db, owner, id).catch((error: unknown) => {
      if (!(error instanceof ParleyError)) return;
      stop();
      sink.end(error);
    });
    return stop;
  }, signal);
});
