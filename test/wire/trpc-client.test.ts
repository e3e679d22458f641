import type { Event } from '@parley/shared/event';
import { decodeFrame, encodeFrame, frameTransformer } from '@parley/shared/frame';
import { ParleyError } from '@parley/shared/reason';
import {
  createTRPCClient,
  createWSClient,
  httpBatchLink,
  httpBatchStreamLink,
  httpLink,
  httpSubscriptionLink,
  splitLink,
  TRPCClientError,
  type TRPCLink,
  wsLink,
} from '@trpc/client';
import superjson from 'superjson';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { FetchEventSource } from './trpc-event-source.ts';
import { startToy } from './trpc-server.ts';
import { audio, delta, type ToyRouter } from './trpc-toy.ts';
import { until } from './trpc-until.ts';

type Toy = Awaited<ReturnType<typeof startToy>>;
interface Transport {
  link: TRPCLink<ToyRouter>;
  close(): Promise<void>;
}

const http =
  (link: (toy: Toy) => TRPCLink<ToyRouter>) =>
  (toy: Toy): Transport => ({
    link: splitLink({
      condition: ({ type }) => type === 'subscription',
      true: httpSubscriptionLink({
        url: toy.url,
        transformer: superjson,
        EventSource: FetchEventSource,
        connectionParams: { token: 'ann' },
      }),
      false: link(toy),
    }),
    close: async () => {},
  });

const headers = { authorization: 'ann' };
const transports: [string, (toy: Toy) => Transport][] = [
  ['httpLink', http(({ url }) => httpLink({ url, headers, transformer: superjson }))],
  ['httpBatchLink', http(({ url }) => httpBatchLink({ url, headers, transformer: superjson }))],
  ['httpBatchStreamLink', http(({ url }) => httpBatchStreamLink({ url, headers, transformer: superjson }))],
  ['wsLink', (toy) => socket(toy.ws)],
  ['wsLink on /trpc/binary', (toy) => socket(`${toy.ws}/binary`, true)],
];

function socket(url: string, isBinary = false): Transport {
  const client = createWSClient({
    url,
    connectionParams: { token: 'ann' },
    retryDelayMs: () => 10,
    ...(isBinary && {
      experimental_encoder: {
        encode: encodeFrame,
        decode: (data: string | ArrayBuffer | Uint8Array) =>
          decodeFrame(data instanceof ArrayBuffer ? new Uint8Array(data) : data),
      },
    }),
  });
  return {
    link: wsLink({ client, transformer: isBinary ? frameTransformer : superjson }),
    close: () => client.close(),
  };
}

async function withClient(
  transport: (toy: Toy) => Transport,
  use: (client: ReturnType<typeof createTRPCClient<ToyRouter>>, toy: Toy) => Promise<void>,
): Promise<void> {
  await using toy = await startToy();
  const { link, close } = transport(toy);
  try {
    await use(createTRPCClient<ToyRouter>({ links: [link] }), toy);
  } finally {
    await close();
  }
}

describe.each(transports)('the stock client over %s', (_name, transport) => {
  it('calls queries and mutations, several at once', () =>
    withClient(transport, async (client) => {
      const results = await Promise.all([
        client.who.query(),
        client.when.query(),
        client.echo.query({ nested: [undefined, 1] }),
        client.echo.query('字'.repeat(1000)),
      ]);
      expect(results).toEqual([
        'ann',
        new Date(0),
        { input: { nested: [undefined, 1] } },
        { input: '字'.repeat(1000) },
      ]);
      expect(await client.add.mutate({ a: 1, b: 2 })).toBe(3);
    }));

  it('gets errors with their reason', () =>
    withClient(transport, async (client) => {
      const error = await client.fail.query().catch((cause: unknown) => cause);
      expect(error).toBeInstanceOf(TRPCClientError);
      expect(error).toMatchObject({
        message: 'The agent is still answering.',
        data: {
          code: 'CONFLICT',
          httpStatus: 409,
          reason: 'TURN_IN_PROGRESS',
          retryable: true,
          details: { turnId: 't' },
        },
      });
      await expect(client.crash.query()).rejects.toMatchObject({ data: { reason: 'INTERNAL' } });
      await expect(client.add.mutate({ a: 1, b: Number.NaN })).rejects.toMatchObject({
        data: { reason: 'INVALID_INPUT' },
      });
    }));

  it('follows pushed events and unsubscribes', () =>
    withClient(transport, async (client, toy) => {
      const seen = collect((handlers) => client.events.subscribe(undefined, handlers));
      await until(() => toy.feed.sinks.size === 1);
      toy.feed.emit('1-1', delta('a 字'));
      toy.feed.emit('1-2', audio(Uint8Array.of(1, 2, 3)));
      await until(() => seen.events.length === 2);
      seen.unsubscribe();
      expect(seen.events).toMatchObject([
        { id: '1-1', data: delta('a 字') },
        { id: '1-2', data: { type: 'agent.audio' } },
      ]);
      await until(() => toy.feed.sinks.size === 0);
    }));

  it('resumes from the last id when its connection is lost', () =>
    withClient(transport, async (client, toy) => {
      const seen = collect((handlers) => client.events.subscribe({}, handlers));
      await until(() => toy.feed.sinks.size === 1);
      toy.feed.emit('1-7', delta('a'));
      await until(() => seen.events.length === 1);
      toy.server.closeAllConnections();
      for (const cut of toy.connections) cut.destroy();
      await until(() => toy.feed.started === 2);
      expect(toy.feed.resumed).toEqual([undefined, '1-7']);
      toy.feed.emit('1-8', delta('b'));
      await until(() => seen.events.length === 2);
      expect(seen.errors).toEqual([]);
      seen.unsubscribe();
    }));

  // Guard: subscriptions of a frame are not counted against its calls. wsLink makes all it had in one frame.
  it('resumes a dozen subscriptions when their connection is lost', () =>
    withClient(transport, async (client, toy) => {
      const dozen = Array.from({ length: 12 }, () => collect((handlers) => client.events.subscribe({}, handlers)));
      await until(() => toy.feed.sinks.size === 12);
      toy.feed.emit('1-7', delta('a'));
      await until(() => dozen.every(({ events }) => events.length === 1));
      toy.server.closeAllConnections();
      for (const cut of toy.connections) cut.destroy();
      await until(() => toy.feed.started + dozen.flatMap(({ errors }) => errors).length === 24);
      expect(dozen.flatMap(({ errors }) => errors)).toEqual([]);
      expect(toy.feed.resumed.slice(12)).toEqual(Array.from({ length: 12 }, () => '1-7'));
      for (const { unsubscribe } of dozen) unsubscribe();
    }));

  it('is told to connect again when the server drains, and resumes', () =>
    withClient(transport, async (client, toy) => {
      const seen = collect((handlers) => client.events.subscribe({}, handlers));
      await until(() => toy.feed.sinks.size === 1);
      toy.feed.emit('1-7', delta('a'));
      await until(() => seen.events.length === 1);
      toy.sockets.broadcastReconnect();
      toy.http.leaveStreams();
      await until(() => toy.feed.started === 2 && toy.feed.sinks.size === 1);
      expect(toy.feed.resumed).toEqual([undefined, '1-7']);
      toy.feed.emit('1-8', delta('b'));
      await until(() => seen.events.length === 2);
      expect(seen.errors).toEqual([]);
      seen.unsubscribe();
    }));

  it('completes with the feed, and fails with it', () =>
    withClient(transport, async (client, toy) => {
      const ended = collect((handlers) => client.events.subscribe({}, handlers));
      await until(() => toy.feed.sinks.size === 1);
      toy.feed.end();
      await until(() => ended.isComplete());
      const failed = collect((handlers) => client.events.subscribe({}, handlers));
      await until(() => toy.feed.started === 2 && toy.feed.sinks.size === 1);
      toy.feed.end(new ParleyError('UNAUTHENTICATED'));
      await until(() => failed.errors.length === 1);
      expect(failed.errors).toMatchObject([{ data: { reason: 'UNAUTHENTICATED', code: 'UNAUTHORIZED' } }]);
    }));

  it('iterates a plain subscription, tracked or not', () =>
    withClient(transport, async (client) => {
      const values: unknown[] = [];
      const done = Promise.withResolvers<void>();
      client.plain.subscribe(undefined, {
        onData: (value) => values.push(value),
        onComplete: done.resolve,
        onError: done.reject,
      });
      await done.promise;
      expect(values.map((value) => (typeof value === 'string' ? value : undefined))).toContain('one');
      expect(values[1]).toEqual({ id: '2', data: 'two' });
    }));

  it('is told why a subscription was refused', () =>
    withClient(transport, async (client) => {
      const refused = Promise.withResolvers<unknown>();
      client.refused.subscribe(undefined, { onError: refused.resolve });
      expect(await refused.promise).toMatchObject({ data: { reason: 'NOT_FOUND', httpStatus: 404 } });
    }));
});

/** What a subscription delivers. */
function collect(
  subscribe: (handlers: {
    onData(event: { id: string; data: Event }): void;
    onError(error: unknown): void;
    onComplete(): void;
  }) => { unsubscribe(): void },
) {
  const events: { id: string; data: Event }[] = [];
  const errors: unknown[] = [];
  let isComplete = false;
  const { unsubscribe } = subscribe({
    onData(event) {
      expectTypeOf(event).toEqualTypeOf<{ id: string; data: Event }>();
      events.push(event);
    },
    onError: (error) => errors.push(error),
    onComplete() {
      isComplete = true;
    },
  });
  return { events, errors, unsubscribe, isComplete: () => isComplete };
}
