import type { AppRouter } from '@parley/server/rpc/router';
import { createTRPCClient, httpBatchLink, httpSubscriptionLink, splitLink } from '@trpc/client';
import superjson from 'superjson';

// A program for tests: a stock client with `httpSubscriptionLink` and Node's own EventSource, which only a flag of the process
// brings. It follows a conversation until the turn that it sends has ended and prints what it saw, a line of JSON an event.
const [url = '', token = '', conversationId = '', lastEventId = '', words = ''] = process.argv.slice(2);
const client = createTRPCClient<AppRouter>({
  links: [
    splitLink({
      condition: ({ type }) => type === 'subscription',
      true: httpSubscriptionLink({ url, transformer: superjson, connectionParams: { token } }),
      false: httpBatchLink({ url, transformer: superjson, headers: { authorization: `Bearer ${token}` } }),
    }),
  ],
});
const say = (line: object): void => console.log(JSON.stringify(line));
const subscription = client.conversations.events.subscribe(
  { conversationId, ...(lastEventId && { lastEventId }) },
  {
    onStarted: () => {
      if (words) void client.turns.send.mutate({ conversationId, parts: [{ type: 'text', text: words }] });
    },
    onData: (tracked) => {
      say(tracked);
      const { type } = tracked.data;
      if (type === 'turn.completed' || type === 'turn.failed') subscription.unsubscribe();
    },
    onError: ({ data, message }) => {
      say({ error: data?.reason ?? message });
      subscription.unsubscribe();
    },
  },
);
