import type { Event, TerminalEvent, Tracked } from '@parley/shared/event';
import { isTerminal } from '@parley/shared/terminal';
import type { Heard } from '@parley/shared/turn';
import type { Line } from '../connection/line.ts';
import { ParleyFailure } from '../failure.ts';
import { Events, sizeOf } from './events.ts';
import type { Feed } from './feed.ts';
import { type Beginning, TurnReader } from './reader.ts';
import { Inquiry } from './turn-inquiry.ts';

/** What may wait for whoever iterates: events, and about bytes. */
const most = { events: 1_000, bytes: 1024 * 1024 };

export interface TurnOptions {
  line: Line;
  feed: Feed;
  beginning: Beginning;
  /** It may not be there yet. */
  isExpected?: boolean;
  /** Leaves the turn: whoever waits or iterates gets the signal's reason. The turn itself goes on. */
  signal?: AbortSignal | undefined;
}

/**
 * A turn, as it goes on: its events can be iterated once, from `turn.started`, or the first transcript of its recording, to
 * the one that ends it, each once, whatever the network does. Leaving the iteration leaves the turn running; only `interrupt` stops it.
 */
export class Turn implements AsyncIterable<Event, void, void> {
  readonly id: string;
  readonly conversationId: string;
  /** The event that ended the turn, also `turn.failed`. @throws ParleyFailure when it cannot be followed any more */
  readonly done: Promise<TerminalEvent>;
  protected readonly line: Line;
  #leave: () => void = () => {};
  #reader: TurnReader;
  readonly #signal: AbortSignal | undefined;
  #settle: { resolve(event: TerminalEvent): void; reject(error: unknown): void } | undefined;
  readonly #over = new AbortController();
  #failure: { error: unknown } | undefined;

  #isIterated = false;
  #waiting: Event[] = [];
  #bytes = 0;
  #lastEventId: string | undefined;
  /** Set when no more could wait: where whoever iterates reads on by itself. */
  #spilt: { lastEventId: string | undefined; reader: TurnReader } | undefined;
  #wake: (() => void) | undefined;

  readonly #inquiry: Inquiry;

  constructor({ line, feed, beginning, isExpected = false, signal }: TurnOptions) {
    this.id = beginning.turnId;
    this.conversationId = beginning.conversationId;
    this.line = line;
    this.#reader = new TurnReader(beginning);
    this.#signal = signal;
    this.#inquiry = new Inquiry({
      ask: () => this.#ask(this.over),
      over: this.over,
      isExpected: () => isExpected && !this.#reader.hasStarted,
      onEnded: (turn) => this.#push(this.#reader.finish(turn)),
      onFailure: (failure) => this.fail(failure),
    });
    this.done = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Whoever only iterates learns of a failure there.
    this.done.catch(() => {});
    this.#listen(feed);
    if (signal?.aborted) this.#onAbort();
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** One that is known to exist, or expected. */
  static attach(options: TurnOptions): Turn {
    const turn = new Turn(options);
    turn.#inquiry.soon();
    return turn;
  }

  /** The name that the contract gives to `id`. */
  get turnId(): string {
    return this.id;
  }

  /** The answer so far. */
  get textSoFar(): string {
    return this.#reader.text;
  }

  /** The whole answer, or what there is of an interrupted one. @throws ParleyFailure when the turn failed */
  async text(): Promise<string> {
    const end = await this.done;
    if (end.type === 'turn.failed') throw failed(end);
    return this.#reader.text;
  }

  /** The answer as it comes; an iteration of the turn. @throws ParleyFailure when the turn failed */
  async *deltas(): AsyncGenerator<string, void, void> {
    for await (const event of this) {
      if (event.type === 'agent.delta') yield event.text;
      else if (event.type === 'turn.failed') throw failed(event);
    }
  }

  /**
   * Stops the answer at once, text and speech. False when the turn had ended already.
   * @param heard How far the listener got: what was not heard is kept as such.
   */
  async interrupt(heard?: Heard): Promise<boolean> {
    const input = { conversationId: this.conversationId, turnId: this.id, ...(heard && { heard }) };
    const answer = await this.line.persist((signal) => this.line.trpc.turns.interrupt.mutate(input, { signal }));
    return answer.interrupted;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Event, void, void> {
    if (this.#isIterated)
      throw new TypeError('A turn can be iterated once; `done` and `text()` can be used beside it.');
    this.#isIterated = true;
    for (;;) {
      const event = this.#waiting.shift();
      if (event) {
        this.#bytes -= sizeOf(event);
        yield event;
        if (isTerminal(event)) return;
      } else if (this.#spilt) break;
      else if (this.#failure) throw this.#failure.error;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
    // Not `yield*`, whose helpers every bundle for a phone would carry.
    for await (const event of this.#readOn(this.#spilt)) yield event;
  }

  protected get reader(): TurnReader {
    return this.#reader;
  }

  /** Aborted when the turn has ended, or is followed no more. */
  protected get over(): AbortSignal {
    return this.#over.signal;
  }

  /** From now on the turn exists: when nothing is heard of it, the server is asked; at once of one that may be over. */
  protected expect(isOld: boolean): void {
    if (isOld) this.#inquiry.soon();
    else this.#inquiry.begin();
  }

  /** Goes on with another feed. */
  protected switchTo(feed: Feed): void {
    if (this.over.aborted) return;
    const leave = this.#leave;
    this.#listen(feed);
    leave();
  }

  protected fail(error: unknown): void {
    if (this.over.aborted) return;
    this.#failure = { error };
    this.#settle?.reject(error);
    this.#end();
  }

  readonly #onAbort = (): void => this.fail(this.#signal?.reason);

  #listen(feed: Feed): void {
    this.#leave = feed.join({
      event: (tracked) => this.#take(tracked),
      end: (failure) => this.fail(failure ?? new ParleyFailure('UNAVAILABLE', 'The client was closed.')),
    });
  }

  #take({ id, data }: Tracked): void {
    if (data.type === 'conversation.deleted') {
      this.fail(new ParleyFailure('CONVERSATION_DELETED', 'The conversation was deleted.'));
      return;
    }
    if (this.#waiting.length >= most.events || this.#bytes >= most.bytes) this.#spill();
    const events = this.#reader.read(data);
    this.#lastEventId = id;
    if (events.length > 0) this.#inquiry.heard();
    this.#push(events);
    if (data.type === 'gap') this.#inquiry.soon();
  }

  #spill(): void {
    this.#spilt ??= { lastEventId: this.#lastEventId, reader: this.#reader.copy() };
  }

  #push(events: readonly Event[]): void {
    for (const event of events) {
      if (this.#spilt) break;
      this.#waiting.push(event);
      this.#bytes += sizeOf(event);
    }
    const { terminal } = this.#reader;
    if (terminal && !this.over.aborted) {
      this.#settle?.resolve(terminal);
      this.#end();
    }
    this.#wake?.();
  }

  #end(): void {
    this.#inquiry.stop();
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#over.abort();
    this.#leave();
    this.#wake?.();
  }

  /** The events after those that could wait, from the server's log. */
  async *#readOn(from: { lastEventId: string | undefined; reader: TurnReader }): AsyncGenerator<Event, void, void> {
    const { reader, lastEventId } = from;
    const signal = this.#signal;
    for await (const { data } of new Events(this.line, this.conversationId, { lastEventId, signal })) {
      for (const event of reader.read(data)) yield event;
      if (data.type === 'gap' && data.snapshot.turn?.id !== this.id)
        for (const event of reader.finish(await this.#ask(signal))) yield event;
      if (reader.terminal) return;
    }
    if (signal?.aborted) throw signal.reason;
    throw this.#failure?.error ?? new ParleyFailure('UNAVAILABLE', 'The client was closed.');
  }

  #ask(signal?: AbortSignal) {
    return this.line.persist(
      (aborted) => this.line.trpc.turns.get.query({ turnId: this.id }, { signal: aborted }),
      signal,
    );
  }
}

function failed(event: Extract<TerminalEvent, { type: 'turn.failed' }>): ParleyFailure {
  const { code, message, retryable, turnId } = event;
  return new ParleyFailure(code, message, { retryable, details: { turnId } });
}
