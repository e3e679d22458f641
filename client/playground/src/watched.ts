import { failureOf, isRecord, type ParleyFailure } from '../../failure.ts';

/** How many values stay; older ones are counted only. */
const kept = 200;
/** Milliseconds in which what comes is shown together. */
const frameMs = 50;

export type LiveState =
  | { is: 'connecting' }
  | { is: 'live' }
  | { is: 'stopped' }
  | { is: 'ended' }
  | { is: 'failed'; failure: ParleyFailure };

/** A value that came. `id` is its place in the log where the subscription has one. */
export interface Arrival {
  number: number;
  id: string | undefined;
  /** Milliseconds since the epoch. */
  at: number;
  data: unknown;
}

/** What there is to show; a new object whenever it has changed. */
export interface LiveView {
  state: LiveState;
  /** Newest last, at most 200. */
  arrivals: readonly Arrival[];
  count: number;
  lastId: string | undefined;
}

/** The part of tRPC's client that is used here. */
export interface LiveClient {
  subscription(path: string, input: unknown, callbacks: LiveCallbacks): { unsubscribe(): void };
}

export interface LiveCallbacks {
  onStarted: () => void;
  onConnectionStateChange: (change: { state: string }) => void;
  onData: (value: unknown) => void;
  onError: (error: unknown) => void;
  onComplete: () => void;
}

/** A subscription that somebody watches: bounded, to be stopped, and resumed after the last value that came. */
export class Watched {
  readonly path: string;
  readonly input: unknown;
  readonly #client: () => LiveClient;
  readonly #listeners = new Set<() => void>();
  #running: { unsubscribe(): void } | undefined;
  #arrivals: Arrival[] = [];
  #state: LiveState = { is: 'connecting' };
  #count = 0;
  #lastId: string | undefined;
  #view: LiveView = { state: this.#state, arrivals: [], count: 0, lastId: undefined };
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param client The client to begin with, asked for anew when it is resumed. */
  constructor(client: () => LiveClient, path: string, input: unknown) {
    this.#client = client;
    this.path = path;
    this.input = input;
    this.#start();
  }

  /** For `useSyncExternalStore`. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
  readonly view = (): LiveView => this.#view;

  stop(): void {
    this.#end({ is: 'stopped' });
  }

  /** Goes on after the last value that came. */
  resume(): void {
    if (this.#running) return;
    this.#start();
  }

  clear(): void {
    this.#arrivals = [];
    this.#show();
  }

  #start(): void {
    const input =
      this.#lastId === undefined
        ? this.input
        : { ...(isRecord(this.input) ? this.input : {}), lastEventId: this.#lastId };
    this.#become({ is: 'connecting' });
    let isOver = false;
    const over = (state: LiveState): void => {
      isOver = true;
      this.#end(state);
    };
    const running = this.#client().subscription(this.path, input, {
      onStarted: () => this.#become({ is: 'live' }),
      onConnectionStateChange: ({ state }) => {
        if (!isOver && state === 'connecting') this.#become({ is: 'connecting' });
      },
      onData: (value) => this.#take(value),
      onError: (error) => over({ is: 'failed', failure: failureOf(error) }),
      onComplete: () => over({ is: 'ended' }),
    });
    // It may have failed while it was begun.
    if (isOver) running.unsubscribe();
    else this.#running = running;
  }

  #take(value: unknown): void {
    const isTracked = isRecord(value) && typeof value.id === 'string' && 'data' in value;
    const id = isTracked ? String(value.id) : undefined;
    this.#count++;
    this.#arrivals.push({ number: this.#count, id, at: Date.now(), data: isTracked ? value.data : value });
    if (this.#arrivals.length > kept) this.#arrivals.shift();
    if (id !== undefined && id !== '') this.#lastId = id;
    if (this.#state.is === 'connecting') this.#state = { is: 'live' };
    this.#timer ??= setTimeout(() => this.#show(), frameMs);
  }

  #end(state: LiveState): void {
    const running = this.#running;
    this.#running = undefined;
    running?.unsubscribe();
    this.#become(state);
  }

  #become(state: LiveState): void {
    this.#state = state;
    this.#show();
  }

  #show(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#view = { state: this.#state, arrivals: [...this.#arrivals], count: this.#count, lastId: this.#lastId };
    for (const listener of this.#listeners) listener();
  }
}
