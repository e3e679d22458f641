import { Encoded } from '@parley/server/live/encode';
import type { Sink } from '@parley/server/live/port';
import { errorFormatter, toTRPCError } from '@parley/server/rpc/failure';
import { PushSource, type Started } from '@parley/server/rpc/push';
import type { CallContext } from '@parley/server/rpc/transport';
import type { Event } from '@parley/shared/event';
import { ParleyError } from '@parley/shared/reason';
import { serverTransformer } from '@parley/shared/wire';
import { initTRPC, tracked } from '@trpc/server';
import { z } from 'zod';

/** What a toy call knows. `user` comes from the connection parameters or a header. */
export interface ToyContext extends CallContext {
  user: string;
}

/** Subscribers of the toy feed, told by the test itself. */
export class Feed {
  readonly sinks = new Set<Sink>();
  /** Starts so far, and stops. */
  started = 0;
  stopped = 0;

  /** What each subscription resumed from. */
  readonly resumed: (string | undefined)[] = [];

  readonly subscribe = (sink: Sink): Started => {
    this.sinks.add(sink);
    this.started++;
    let isStopped = false;
    const stop = () => {
      if (isStopped) return;
      isStopped = true;
      this.stopped++;
      this.sinks.delete(sink);
    };
    return { stop };
  };

  emit(id: string, event: Event): void {
    const encoded = Encoded.of(event);
    for (const sink of this.sinks) sink.event(id, encoded);
  }

  end(error?: Error): void {
    for (const sink of this.sinks) sink.end(error);
  }
}

export function delta(text: string): Event {
  return { type: 'agent.delta', conversationId: 'c', turnId: 't', at: 1, text, bubble: 0 };
}

export function audio(data: Uint8Array): Event {
  return {
    type: 'agent.audio',
    conversationId: 'c',
    turnId: 't',
    at: 1,
    sentence: 0,
    chunk: 0,
    format: 'mp3',
    sampleRate: 24_000,
    data,
    last: false,
  };
}

/** A router with every kind of procedure. `hold` lets a test decide when a call ends. */
export function toyRouter(feed: Feed) {
  const t = initTRPC.context<ToyContext>().create({
    transformer: serverTransformer,
    errorFormatter,
    // For the stock adapter: what Parley's own tells its clients by default.
    sse: { client: { reconnectAfterInactivityMs: 30_000 } },
  });
  const held: { signal: AbortSignal | undefined; release: () => void }[] = [];
  const produced = { count: 0, ended: 0 };
  const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array);
  const router = t.router({
    echo: t.procedure.input(z.unknown()).query(({ input }) => ({ input })),
    who: t.procedure.query(({ ctx }) => ctx.user),
    add: t.procedure.input(z.object({ a: z.number(), b: z.number() })).mutation(({ input }) => input.a + input.b),
    when: t.procedure.query(() => new Date(0)),
    large: t.procedure.input(z.number()).query(({ input }) => 'x'.repeat(input)),
    fail: t.procedure.query(() => {
      throw toTRPCError(new ParleyError('TURN_IN_PROGRESS', { details: { turnId: 't' } }));
    }),
    crash: t.procedure.query(() => {
      throw new Error('secret');
    }),
    hold: t.procedure.query(async ({ signal }) => {
      const done = Promise.withResolvers<void>();
      held.push({ signal, release: done.resolve });
      await done.promise;
      return 'released';
    }),
    stream: t.procedure.query(async function* () {
      yield 1;
      yield 2;
    }),
    count: t.procedure
      .input(z.object({ to: z.number(), lastEventId: z.string().optional() }))
      .subscription(async function* ({ input }) {
        for (let i = Number(input.lastEventId ?? 0) + 1; i <= input.to; i++) yield tracked(String(i), { i });
      }),
    plain: t.procedure.subscription(async function* () {
      yield 'one';
      yield tracked('2', 'two');
      yield 'three';
    }),
    breaks: t.procedure.subscription(async function* () {
      yield 'before';
      throw toTRPCError(new ParleyError('CONVERSATION_DELETED'));
    }),
    refused: t.procedure.subscription(() => {
      throw toTRPCError(new ParleyError('NOT_FOUND'));
      // biome-ignore lint/correctness/noUnreachable: gives the subscription its type
      return (async function* () {
        yield 1;
      })();
    }),
    endless: t.procedure.subscription(async function* ({ signal }) {
      yield 'begun';
      await new Promise((resolve) => signal?.addEventListener('abort', resolve, { once: true }));
    }),
    /** Yields as fast as it is asked. */
    flood: t.procedure.subscription(async function* () {
      try {
        for (;;) {
          produced.count++;
          yield 'x'.repeat(50_000);
        }
      } finally {
        produced.ended++;
      }
    }),
    events: t.procedure
      .input(z.object({ lastEventId: z.string().optional() }).optional())
      .subscription(({ input, signal }) => {
        feed.resumed.push(input?.lastEventId);
        return new PushSource(feed.subscribe, signal);
      }),
    voice: t.router({
      sendSegment: t.procedure.input(z.object({ data: bytes })).mutation(({ input }) => input.data.length),
    }),
  });
  return { router, held, produced };
}

export type ToyRouter = ReturnType<typeof toyRouter>['router'];
