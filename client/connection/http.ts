import type { AppRouter } from '@parley/server/rpc/router';
import { limits } from '@parley/shared/limits';
import { clientTransformer } from '@parley/shared/wire';
import { observable } from '#observable';
import { httpBatchLink, httpSubscriptionLink, type TRPCLink } from '#trpc';
import { failureOf, isLost } from '../failure.ts';
import type { Connection, ConnectionOptions } from './link.ts';
import { fetchStreamLink } from './stream.ts';

/** Longer URLs are refused by servers in between. */
const longestUrl = 8_000;

/** Calls as HTTP requests, subscriptions as server-sent events. Every request asks for the token anew. */
export function httpConnection(options: ConnectionOptions): Connection {
  const { url, credential, onState } = options;
  const given = options.fetch;
  const call = httpBatchLink<AppRouter>({
    url: `${url}/trpc`,
    transformer: clientTransformer,
    headers: () => credential.headers(),
    maxItems: limits.batchCalls,
    maxURLLength: longestUrl,
    ...(given && { fetch: (input, init) => given(input, { ...init, signal: init?.signal ?? null }) }),
  });
  const subscribe = subscriptionLink(options);
  const link: TRPCLink<AppRouter> = (runtime) => {
    const links = { call: call(runtime), subscribe: subscribe(runtime) };
    return (operation) =>
      observable((observer) =>
        links[operation.op.type === 'subscription' ? 'subscribe' : 'call'](operation).subscribe({
          next(value) {
            if (value.result.type !== 'state') onState({ state: 'open' });
            observer.next(value);
          },
          error(error) {
            const failure = failureOf(error);
            if (isLost(failure)) onState({ state: 'connecting', error: failure });
            observer.error(error);
          },
          complete: () => observer.complete(),
        }),
      );
  };
  return {
    link,
    generation: 0,
    renew() {},
    async close() {
      onState({ state: 'idle' });
    },
  };
}

function subscriptionLink(options: ConnectionOptions): TRPCLink<AppRouter> {
  const { url, credential } = options;
  const Source = options.EventSource ?? (typeof EventSource === 'function' ? EventSource : undefined);
  if (!Source) return fetchStreamLink(options);
  return httpSubscriptionLink<AppRouter, typeof EventSource>({
    url: `${url}/trpc`,
    transformer: clientTransformer,
    connectionParams: () => credential.connectionParams(),
    EventSource: Source,
  });
}
