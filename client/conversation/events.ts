import type { Event, Tracked } from '@parley/shared/event';
import type { Line } from '../connection/line.ts';
import type { ParleyFailure } from '../failure.ts';
import { Follow } from './follow.ts';

/** What may wait for a consumer: events, and about bytes. */
const most = { events: 1_000, bytes: 1024 * 1024 };

export interface EventsOptions {
  /** The last event that the consumer has. Without it: from the running turn's first event, else from now on. */
  lastEventId?: string | undefined;
  /** Ends the iteration, without an error. */
  signal?: AbortSignal | undefined;
}

/**
 * A conversation's events, each once, from the call on. Between the network and a consumer that is slower than it little
 * waits: when that is full the server is left, and when it is empty events are read on from the last one.
 */
export class Events implements AsyncIterableIterator<Tracked, undefined> {
  readonly #follow: Follow;
  readonly #signal: AbortSignal | undefined;
  #waiting: Tracked[] = [];
  #bytes = 0;
  #isPaused = false;
  #end: { failure: ParleyFailure | undefined } | undefined;
  #wake: (() => void) | undefined;
  readonly #onAbort = (): void => void this.return();

  constructor(line: Line, conversationId: string, { lastEventId, signal }: EventsOptions) {
    this.#signal = signal;
    this.#follow = new Follow(line, conversationId, lastEventId, {
      event: (tracked) => this.#take(tracked),
      end: (failure) => this.#finish({ failure }),
    });
    if (signal?.aborted) this.#onAbort();
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** @throws ParleyFailure for a reason that does not pass, after all events that came before it */
  async next(): Promise<IteratorResult<Tracked, undefined>> {
    for (;;) {
      const tracked = this.#waiting.shift();
      if (tracked) {
        this.#bytes -= sizeOf(tracked.data);
        if (this.#waiting.length === 0 && this.#isPaused) {
          this.#isPaused = false;
          this.#follow.resume();
        }
        return { done: false, value: tracked };
      }
      if (this.#end) {
        const { failure } = this.#end;
        this.#end = { failure: undefined };
        if (failure) throw failure;
        return { done: true, value: undefined };
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async return(): Promise<IteratorResult<Tracked, undefined>> {
    this.#follow.stop();
    this.#waiting = [];
    this.#bytes = 0;
    this.#finish({ failure: undefined });
    return { done: true, value: undefined };
  }

  #take(tracked: Tracked): void {
    this.#waiting.push(tracked);
    this.#bytes += sizeOf(tracked.data);
    if (this.#waiting.length >= most.events || this.#bytes >= most.bytes) {
      this.#isPaused = true;
      this.#follow.pause();
    }
    this.#wake?.();
  }

  #finish(end: { failure: ParleyFailure | undefined }): void {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#end ??= end;
    this.#wake?.();
  }
}

/** About how many bytes an event takes. */
export function sizeOf(event: Event): number {
  if (event.type === 'agent.audio') return event.data.length + 200;
  if ('text' in event && typeof event.text === 'string') return 2 * event.text.length + 200;
  return event.type === 'gap' ? 20_000 : 500;
}
