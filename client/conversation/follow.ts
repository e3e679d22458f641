import type { AppRouter } from '@parley/server/rpc/router';
import { fromBase64 } from '@parley/shared/bytes';
import type { Event, Tracked } from '@parley/shared/event';
import type { inferRouterOutputs } from '@trpc/server';
import type { Unsubscribable } from '@trpc/server/observable';
import { backoff } from '../connection/backoff.ts';
import type { Line } from '../connection/line.ts';
import { failureOf, type ParleyFailure } from '../failure.ts';

/** A conversation as it stands, and where following it from misses nothing of what comes. */
export type Entry = inferRouterOutputs<AppRouter>['conversations']['get'];

export interface Follower {
  event(tracked: Tracked): void;
  /** Of one that was given no place to begin: it has one, and whatever happens to the connection is not missed from here on. */
  begun?(entry: Entry): void;
  /** The server has begun to deliver: for the first time, or again. */
  started?(): void;
  /** It is over: the conversation is deleted, the client closed, or for a reason that does not pass. Nothing follows. */
  end(failure?: ParleyFailure): void;
}

/** A subscription that lived this long has worked, whatever ends it then. Milliseconds. */
const soundMs = 1_000;
/** How often in a row the server may fail inside before that is what it says. */
const mostInternal = 5;

interface Attempt {
  readonly generation: number;
  startedAt: number | undefined;
  subscription: Unsubscribable | undefined;
}

/**
 * Follows a conversation's events for as long as it is wanted: subscribes, and after whatever ends a subscription subscribes
 * again from the last event that it delivered. Each event is delivered once. Without an event to begin from it asks for its place
 * first: what comes while a subscription is lost that has not delivered anything would be missed else.
 *
 * Transpiled for a phone, a `#` member costs some ninety bytes and a `private` one none: the bundle is to stay small.
 */
export class Follow {
  private last: string | undefined;
  private state: 'following' | 'paused' | 'over' = 'following';
  private attempt: Attempt | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private failures = 0;
  private isRenewed = false;
  private readonly line: Line;
  private readonly conversationId: string;
  private readonly follower: Follower;
  private readonly onClose = (): void => this.end();

  constructor(line: Line, conversationId: string, lastEventId: string | undefined, follower: Follower) {
    this.line = line;
    this.conversationId = conversationId;
    this.last = lastEventId;
    this.follower = follower;
    line.closed.addEventListener('abort', this.onClose);
    // Not within the constructor: a failure may come at once.
    this.timer = setTimeout(() => (line.closed.aborted ? this.end() : this.begin()));
  }

  /** The last event that was delivered, or where following began. */
  get lastEventId(): string | undefined {
    return this.last;
  }

  /** Leaves the server; `resume` goes on after the last event that was delivered. */
  pause(): void {
    if (this.state !== 'following') return;
    this.state = 'paused';
    this.drop();
  }

  resume(): void {
    if (this.state !== 'paused') return;
    this.state = 'following';
    this.begin();
  }

  /** Ends without a word to the follower. */
  stop(): void {
    this.state = 'over';
    this.line.closed.removeEventListener('abort', this.onClose);
    this.drop();
  }

  private end(failure?: ParleyFailure): void {
    if (this.state === 'over') return;
    this.stop();
    this.follower.end(failure);
  }

  private drop(): void {
    clearTimeout(this.timer);
    const subscription = this.attempt?.subscription;
    this.attempt = undefined;
    subscription?.unsubscribe();
  }

  private begin(): void {
    if (this.last === undefined) this.locate();
    else this.subscribe();
  }

  private locate(): void {
    const attempt = this.try();
    const leave = new AbortController();
    attempt.subscription = { unsubscribe: () => leave.abort() };
    const input = { conversationId: this.conversationId };
    this.line
      .once((signal) => this.line.trpc.conversations.get.query(input, { signal }), leave.signal)
      .then(
        (entry) => {
          if (this.attempt !== attempt) return;
          this.last = entry.lastEventId;
          this.subscribe();
          this.follower.begun?.(entry);
        },
        (error: unknown) => this.lost(attempt, failureOf(error)),
      );
  }

  private try(): Attempt {
    const { generation } = this.line.connection;
    this.attempt = { generation, startedAt: undefined, subscription: undefined };
    return this.attempt;
  }

  private subscribe(): void {
    const attempt = this.try();
    const input = {
      conversationId: this.conversationId,
      ...(this.last !== undefined && { lastEventId: this.last }),
    };
    const subscription = this.line.trpc.conversations.events.subscribe(input, {
      onStarted: () => {
        if (this.attempt !== attempt) return;
        attempt.startedAt = Date.now();
        this.follower.started?.();
      },
      onData: ({ id, data }) => {
        if (this.attempt === attempt) this.deliver(id, data);
      },
      onError: (error) => this.lost(attempt, failureOf(error)),
      onStopped: () => this.lost(attempt, undefined),
      onComplete: () => this.lost(attempt, undefined),
    });
    attempt.subscription = subscription;
    // It may have ended, or been left, before it was known.
    if (this.attempt !== attempt) subscription.unsubscribe();
  }

  private deliver(id: string, event: Event): void {
    // A gap stands for all that is gone, wherever its place is; everything else comes in the order of its ids.
    if (event.type !== 'gap' && this.last !== undefined && id <= this.last) return;
    this.last = id;
    this.failures = 0;
    this.isRenewed = false;
    this.follower.event({ id, data: withBytes(event) });
    if (event.type === 'conversation.deleted') this.end();
  }

  /** The subscription is over, with or without a failure: again, or for good. */
  private lost(attempt: Attempt, failure: ParleyFailure | undefined): void {
    if (this.attempt !== attempt) return;
    this.drop();
    if (attempt.startedAt !== undefined && Date.now() - attempt.startedAt >= soundMs) {
      this.failures = 0;
      this.isRenewed = false;
    }
    if (failure?.reason === 'UNAUTHENTICATED' && this.line.isRenewable && !this.isRenewed) {
      this.isRenewed = true;
      this.line.connection.renew(attempt.generation);
    } else if (failure && this.isFinal(failure)) {
      this.end(failure);
      return;
    }
    this.timer = setTimeout(() => this.begin(), backoff(this.failures++));
  }

  private isFinal({ reason, retryable }: ParleyFailure): boolean {
    if (reason === 'INTERNAL') return this.failures >= mostInternal;
    return !retryable;
  }
}

/** On JSON transports an event's bytes are base64 text. */
function withBytes(event: Event): Event {
  if (event.type !== 'agent.audio') return event;
  const data: unknown = event.data;
  return typeof data === 'string' ? { ...event, data: fromBase64(data) ?? new Uint8Array(0) } : event;
}
