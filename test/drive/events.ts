import { setTimeout as pause } from 'node:timers/promises';
import { follow } from '@parley/client/cli/follow';
import type { Parley } from '@parley/client/connect';
import { failureOf, ParleyFailure } from '@parley/client/failure';
import type { Event, EventOf, EventType, TerminalEvent, Tracked } from '@parley/shared/event';
import { isTerminal } from '@parley/shared/terminal';
import { NotSeen } from './seen.ts';

export interface WaitOptions {
  /** Only of this turn. */
  turnId?: string | undefined;
  /** Milliseconds to wait at most; 30,000 when it is not said, since test machines have other things to do. */
  within?: number;
}

/** A conversation's events as one client has seen them, over all its connections: each once, in order. */
export interface Events extends AsyncDisposable {
  /** All that came so far. */
  readonly seen: readonly Tracked[];
  /** Their kinds, in order; the answer's text in pieces makes for many of the same. */
  readonly kinds: readonly EventType[];
  /** The id of the last one, to follow from elsewhere; undefined before the first. */
  readonly lastEventId: string | undefined;
  /**
   * The first event of a kind, seen already or when it comes.
   * @throws NotSeen when it does not come in time, or following has ended: with all that came
   */
  first<Type extends EventType>(type: Type, options?: WaitOptions): Promise<EventOf<Type>>;
  /** The first event that fits. `what` names it in a failure. @throws NotSeen */
  find(what: string, fits: (event: Event) => boolean, options?: WaitOptions): Promise<Event>;
  /** The event that ends a turn: completed, interrupted or failed. @throws NotSeen */
  end(turnId: string, options?: Omit<WaitOptions, 'turnId'>): Promise<TerminalEvent>;
  /** All of a kind that came so far. */
  all<Type extends EventType>(type: Type, turnId?: string): EventOf<Type>[];
  /** A turn's events so far, for `brokenRules` of `@parley/client/cli/replay-rules`. */
  of(turnId: string): Event[];
  /** A turn's answer so far: its `agent.delta` events joined. */
  text(turnId: string): string;
  /** Ends following. */
  stop(): void;
}

/**
 * Follows a conversation. Resolves when the server delivers: what happens from then on is not missed.
 * @throws ParleyFailure NOT_FOUND …; NotSeen when the server does not begin
 */
export async function followEvents(parley: Parley, conversationId: string, lastEventId?: string): Promise<Events> {
  // Over HTTP a stream that is refused begins all the same.
  await parley.trpc.conversations.get.query({ conversationId }).catch((error: unknown) => {
    throw failureOf(error);
  });
  const events = new FollowedEvents(parley, conversationId, lastEventId);
  try {
    await events.started;
    return events;
  } catch (error) {
    events.stop();
    throw error;
  }
}

const usualWaitMs = 30_000;
/** A test that follows more than this wants to look at it in another way. */
const mostEvents = 100_000;

class FollowedEvents implements Events {
  readonly seen: Tracked[] = [];
  readonly started: Promise<void>;
  readonly #following: ReturnType<typeof follow>;
  readonly #startedAt = Date.now();
  readonly #looks = new Set<() => void>();
  #end: { failure: ParleyFailure | undefined } | undefined;

  constructor(parley: Parley, conversationId: string, lastEventId: string | undefined) {
    this.#following = follow(parley, conversationId, (tracked) => this.#take(tracked), lastEventId);
    this.#following.ended.then((failure) => this.#finish(failure));
    this.started = Promise.race([
      this.#following.started,
      pause(usualWaitMs, undefined, { ref: false }).then(() => {
        throw new NotSeen('The beginning of the events', `not within ${usualWaitMs / 1000} s`, [], this.#startedAt);
      }),
    ]);
  }

  get kinds(): EventType[] {
    return this.seen.map(({ data }) => data.type);
  }

  get lastEventId(): string | undefined {
    return this.seen.at(-1)?.id;
  }

  async first<Type extends EventType>(type: Type, { turnId, within }: WaitOptions = {}): Promise<EventOf<Type>> {
    const of = turnId === undefined ? '' : ` of turn …${turnId.slice(-4)}`;
    return await this.#wait(`${type}${of}`, () => this.all(type, turnId)[0], within);
  }

  async find(what: string, fits: (event: Event) => boolean, { turnId, within }: WaitOptions = {}): Promise<Event> {
    const look = (): Event | undefined => this.#events(turnId).find(fits);
    return await this.#wait(what, look, within);
  }

  async end(turnId: string, { within }: WaitOptions = {}): Promise<TerminalEvent> {
    return await this.#wait(`The end of turn …${turnId.slice(-4)}`, () => this.of(turnId).find(isTerminal), within);
  }

  all<Type extends EventType>(type: Type, turnId?: string): EventOf<Type>[] {
    return this.#events(turnId).filter((event): event is EventOf<Type> => event.type === type);
  }

  of(turnId: string): Event[] {
    return this.#events(turnId);
  }

  text(turnId: string): string {
    return this.all('agent.delta', turnId)
      .map(({ text }) => text)
      .join('');
  }

  stop(): void {
    this.#following.stop();
    this.#finish(undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
  }

  #events(turnId: string | undefined): Event[] {
    const events = this.seen.map(({ data }) => data);
    return turnId === undefined ? events : events.filter((event) => 'turnId' in event && event.turnId === turnId);
  }

  #take(tracked: Tracked): void {
    if (this.seen.push(tracked) >= mostEvents) {
      this.#following.stop();
      this.#finish(new ParleyFailure('SLOW_CONSUMER', `A test follows ${mostEvents} events at most.`));
    }
    this.#look();
  }

  #finish(failure: ParleyFailure | undefined): void {
    this.#end ??= { failure };
    this.#look();
  }

  #look(): void {
    for (const look of [...this.#looks]) look();
  }

  #wait<T>(what: string, find: () => T | undefined, within = usualWaitMs): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        this.#looks.delete(look);
      };
      const fail = (why: string): void => {
        settle();
        reject(new NotSeen(what, why, this.seen, this.#startedAt));
      };
      const look = (): void => {
        const found = find();
        if (found !== undefined) {
          settle();
          resolve(found);
        } else if (this.#end) {
          const { failure } = this.#end;
          fail(failure ? `following has ended, ${failure.message} (${failure.reason})` : 'following has ended');
        }
      };
      const timer = setTimeout(() => fail(`not within ${within / 1000} s`), within);
      this.#looks.add(look);
      look();
    });
  }
}
