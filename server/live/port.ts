import type { Encoded } from './encode.ts';

/** A place in a conversation's log: the incarnation of the log, and how many events it held there. */
export interface Position {
  /** When it began, in microseconds since 1970, or just after the one before: never the same twice. */
  epoch: number;
  seq: number;
}

/** The running turn as the log knows it, at exactly one position: what has been delivered of its answer. */
export interface Running {
  turnId: string;
  generation: number;
  /** The position before the turn's first event; undefined when the log lost its beginning. */
  start: number | undefined;
  /** The text of `agent.delta` so far, one string a bubble. */
  bubbles: string[];
}

export interface Head extends Position {
  running: Running | null;
}

/** Consecutive events: `events[i]` stands at `first + i`. */
export interface Batch {
  epoch: number;
  first: number;
  events: readonly Encoded[];
  /** Set on the first batch of a new epoch that continues an old one without loss for whoever stands at this position. */
  follows?: Position | undefined;
}

export interface Append {
  conversationId: string;
  /** Encoded once, in order. May be empty only together with `reset`. */
  events: readonly Encoded[];
  /** Fencing. `begins` marks the turn's first event, `ends` its terminal one. */
  turn?: { id: string; generation: number; begins?: boolean; ends?: boolean };
  /** The whole answer so far, these events included: what the log starts again from when it has lost its state. */
  bubbles?: () => string[];
  /** Awaited before delivery when the log would not survive this process: makes what is about to be seen durable. */
  secure?: () => Promise<void>;
}

/** The turn has been taken over by a higher generation, or has ended: nothing was appended. */
export class Fenced extends Error {
  override readonly name = 'Fenced';
}

/** One who hears of what is appended to a conversation's log. */
export interface LogListener {
  onBatch(batch: Batch): void;
  /** The connection was lost and is back: batches may have been missed. */
  onLost(): void;
}

/**
 * A conversation's ordered log, on one store. Events of a conversation are numbered without holes within an epoch; an epoch
 * ends when the store loses or cannot reach what it had, and epochs only grow. `Feed` makes resumable subscriptions of it.
 */
export interface LogStore {
  /**
   * Appends and publishes as one step. Resolves with the batch as numbered once it is readable by others.
   * @throws Fenced
   */
  append(append: Append): Promise<Batch>;
  /** The end of the log; makes an empty one where there is none, so that a position can be given out. */
  head(conversationId: string): Promise<Head>;
  /**
   * As `head`, for a new owner of a turn: from here on older generations of it are fenced, so that what the head tells of
   * its answer is all that they will ever have delivered.
   */
  claim(conversationId: string, turn: { id: string; generation: number }): Promise<Head>;
  /**
   * Events after `position`, at most `limit` and at most about 256 KB (at least one batch when there is any), oldest first;
   * 'gone' when not all of them are there any more, or `position` is of another epoch or beyond the end.
   */
  read(conversationId: string, position: Position, limit: number): Promise<readonly Batch[] | 'gone'>;
  /**
   * Tells the listener of every batch appended from now on by anyone, in order but possibly more than once and, after a lost
   * connection, with holes. Resolves when listening.
   */
  listen(conversationId: string, listener: LogListener): Promise<void>;
  /** Ends it, once `listen` has resolved: the listener is told nothing more. */
  unlisten(conversationId: string, listener: LogListener): void;
  /** Erases a conversation's log. */
  forget(conversationId: string): Promise<void>;
  /** False while the store cannot be reached and only this process's own subscribers are served. */
  healthy(): boolean;
  close(): Promise<void>;
}

/** A subscription that is under way. */
export interface Delivery {
  /** Ends it without a word: nothing is called afterwards. False when it was over already. */
  stop(): boolean;
}

/** Where a subscription's events go. */
export interface Sink {
  event(id: string, event: Encoded): void;
  /** Bytes waiting in the way to the client are few enough for another page. Bounded by the subscriber's own limits. */
  ready(): Promise<void>;
  /** The subscription is over: by itself, or with an error. Nothing follows. */
  end(error?: Error): void;
}
