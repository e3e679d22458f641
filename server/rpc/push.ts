import type { Event } from '@parley/shared/event';
import { limits } from '@parley/shared/limits';
import { ParleyError } from '@parley/shared/reason';
import { type TrackedEnvelope, tracked } from '@trpc/server';
import type { Encoded } from '../live/encode.ts';
import type { Sink } from '../live/port.ts';

/** What was started, and how it is stopped: once or more often. */
export interface Started {
  stop(): void;
}

/** Starts a subscription that delivers to `sink`. What it answers is held as long as the subscription lasts. */
export type Subscribe = (sink: Sink) => Started;

const nothing: Started = { stop() {} };

/**
 * What a subscription procedure returns. Parley's own transports push: encoded events go from the feed to the socket within
 * one call. Anything else iterates: tracked events, through a queue that fails with SLOW_CONSUMER rather than grow.
 * Each start and each iteration is a subscription of its own.
 */
export class PushSource implements AsyncIterable<TrackedEnvelope<Event>, void, void> {
  readonly #subscribe: Subscribe;
  readonly #signal: AbortSignal | undefined;

  /** `signal` ends iterations; it is the procedure's own, since stock adapters abort it before they return an iterator. */
  constructor(subscribe: Subscribe, signal?: AbortSignal) {
    this.#subscribe = subscribe;
    this.#signal = signal;
  }

  /**
   * Pushes into `sink` until it has been told the end or what was started has been stopped; with `signal` also until it is
   * aborted. A socket stops it instead of listening for a signal, which would cost hundreds of bytes a subscriber.
   */
  start(sink: Sink, signal?: AbortSignal): Started {
    if (signal?.aborted) return nothing;
    const started = this.#subscribe(sink);
    if (signal?.aborted) started.stop();
    else signal?.addEventListener('abort', () => started.stop(), { once: true });
    return started;
  }

  [Symbol.asyncIterator](): AsyncIterator<TrackedEnvelope<Event>, void, void> {
    const queue = new Queue();
    const started = this.#subscribe(queue);
    queue.onClose = () => started.stop();
    if (queue.ended) started.stop();
    if (this.#signal?.aborted) queue.close();
    else this.#signal?.addEventListener('abort', () => queue.close(), { once: true });
    return queue;
  }
}

/** Between a push and a pull. Unlike an async generator, it can be returned while a `next` waits. */
class Queue implements Sink, AsyncIterator<TrackedEnvelope<Event>, void, void> {
  onClose: (() => void) | undefined;
  #events: { id: string; event: Encoded }[] = [];
  #size = 0;
  #end: { error?: Error | undefined } | undefined;
  #wanted: (() => void) | undefined;
  #roomy: (() => void) | undefined;

  get ended(): boolean {
    return this.#end !== undefined;
  }

  event(id: string, event: Encoded): void {
    if (this.#end) return;
    this.#events.push({ id, event });
    this.#size += event.size;
    if (this.#size > limits.subscriberBytes) {
      this.#events = [];
      this.#size = 0;
      this.end(new ParleyError('SLOW_CONSUMER'));
    }
    this.#wake();
  }

  async ready(): Promise<void> {
    if (this.#end || this.#size <= limits.subscriberBytes / 4) return;
    await new Promise<void>((resolve) => {
      this.#roomy = resolve;
    });
  }

  end(error?: Error): void {
    this.#end ??= { error };
    this.onClose?.();
    this.#wake();
    this.#roomy?.();
  }

  /** The reader is gone: nothing is delivered any more, a waiting `next` is done. */
  close(): void {
    this.#events = [];
    this.#size = 0;
    this.#end = {};
    this.onClose?.();
    this.#wake();
    this.#roomy?.();
  }

  async next(): Promise<IteratorResult<TrackedEnvelope<Event>, void>> {
    for (;;) {
      const first = this.#events.shift();
      if (first) {
        this.#size -= first.event.size;
        if (this.#size <= limits.subscriberBytes / 4) this.#roomy?.();
        return { done: false, value: tracked(first.id, first.event.event) };
      }
      if (this.#end) {
        const { error } = this.#end;
        this.#end = {};
        if (error) throw error;
        return { done: true, value: undefined };
      }
      await new Promise<void>((resolve) => {
        this.#wanted = resolve;
      });
    }
  }

  async return(): Promise<IteratorResult<TrackedEnvelope<Event>, void>> {
    this.close();
    return { done: true, value: undefined };
  }

  #wake(): void {
    this.#wanted?.();
    this.#wanted = undefined;
  }
}
