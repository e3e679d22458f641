import { getConversation } from '@parley/db/repository/conversation';
import { eventsInput } from '@parley/shared/conversation';
import { takeSnapshot } from '../../turn/snapshot.ts';
import { chat } from '../guard.ts';
import { PushSource } from '../push.ts';

export const events = chat.input(eventsInput).subscription(async ({ ctx, input, signal }) => {
  const { app } = ctx;
  const { id } = await getConversation(app.db, ctx.owner, input.conversationId);
  const from = input.lastEventId || undefined;
  return new PushSource((sink) => app.feed.subscribe(id, from, sink, takeSnapshot(app.db, id)), signal);
});
