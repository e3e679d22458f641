import { observable } from './observable.ts';
import { type Link, read, resultOf, type Transformer } from './operation.ts';
import { isRecord } from './record.ts';
import { TRPCClientError } from './trpc-error.ts';

interface HttpOptions {
  url: string;
  transformer: Transformer;
  headers: () => Promise<Record<string, string>>;
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

/** Queries and mutations, each a request of its own. */
export function httpBatchLink({ url, transformer, headers, fetch: given }: HttpOptions): Link {
  return () =>
    ({ op: { type, path, input, signal } }) =>
      observable((observer) => {
        const controller = new AbortController();
        const onAbort = (): void => observer.complete();
        const run = async (): Promise<void> => {
          const value = JSON.stringify(transformer.serialize(input));
          const query = type === 'query' ? `?input=${encodeURIComponent(value)}` : '';
          const init = { headers: await headers(), signal: controller.signal };
          const response = await (given ?? fetch)(
            `${url}/${path}${query}`,
            type === 'query'
              ? init
              : {
                  ...init,
                  method: 'POST',
                  body: value,
                  headers: { ...init.headers, 'content-type': 'application/json' },
                },
          );
          const answer: unknown = await response.json();
          const result = resultOf(isRecord(answer) ? answer : {}, transformer);
          if (result instanceof TRPCClientError) throw result;
          observer.next({ result });
          observer.complete();
        };
        if (signal?.aborted) onAbort();
        else {
          signal?.addEventListener('abort', onAbort);
          run().catch((cause: unknown) => observer.error(TRPCClientError.from(cause)));
        }
        return () => {
          signal?.removeEventListener('abort', onAbort);
          controller.abort();
        };
      });
}

interface SourceOptions {
  url: string;
  transformer: Transformer;
  connectionParams: () => Promise<Record<string, string>>;
  EventSource: typeof EventSource;
}

/** Subscriptions as server-sent events. One that breaks fails: whoever made it makes it again from the last event. */
export function httpSubscriptionLink({ url, transformer, connectionParams, EventSource: Source }: SourceOptions): Link {
  return () =>
    ({ op: { path, input, signal } }) =>
      observable((observer) => {
        let source: EventSource | undefined;
        let isOver = false;
        const onAbort = (): void => observer.complete();
        const fail = (cause: unknown): void => observer.error(TRPCClientError.from(cause));
        const dataOf = ({ data }: MessageEvent): unknown => read(transformer, JSON.parse(String(data)));
        const run = async (): Promise<void> => {
          const words = { input: transformer.serialize(input), connectionParams: await connectionParams() };
          if (isOver) return;
          const query = Object.entries(words).map(
            ([name, value]) => `${name}=${encodeURIComponent(JSON.stringify(value))}`,
          );
          source = new Source(`${url}/${path}?${query.join('&')}`);
          source.addEventListener('connected', () => observer.next({ result: { type: 'started' } }));
          source.addEventListener('message', (event) => {
            const data = dataOf(event);
            const id = event.lastEventId;
            observer.next({ result: { type: 'data', ...(id ? { id, data: { id, data } } : { data }) } });
          });
          source.addEventListener('serialized-error', (event) => fail({ error: dataOf(event) }));
          source.addEventListener('return', () => observer.complete());
          source.addEventListener('error', () => fail('The stream was lost.'));
        };
        if (signal?.aborted) onAbort();
        else {
          signal?.addEventListener('abort', onAbort);
          run().catch(fail);
        }
        return () => {
          isOver = true;
          signal?.removeEventListener('abort', onAbort);
          source?.close();
        };
      });
}
