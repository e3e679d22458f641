/** A value that changes with time, in the shape that React's `useSyncExternalStore` takes: immutable, the same until it changes. */
export interface Live<T> {
  readonly get: () => T;
  /** Returns what ends it. */
  readonly subscribe: (listener: () => void) => () => void;
}

/** A value that is set, told of at once. */
export class Cell<T> implements Live<T> {
  #value: T;
  readonly #listeners = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  readonly get = (): T => this.#value;

  readonly subscribe = (listener: () => void): (() => void) => {
    // Wrapped, so that the same function may listen twice.
    const own = (): void => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  };

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener();
  }
}

/** Milliseconds between two values that are told of: a frame. */
const frameMs = 16;

/**
 * A value made out of something that may change more often than anybody can see. A first change is told of at once, in the
 * next microtask; those that follow within a frame are told of together at its end.
 */
export class Paced<T> implements Live<T> {
  readonly #cell: Cell<T>;
  readonly #make: (before: T | undefined) => T;
  #state: 'still' | 'due' = 'still';
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(make: (before: T | undefined) => T) {
    this.#make = make;
    this.#cell = new Cell(make(undefined));
  }

  get get(): () => T {
    return this.#cell.get;
  }

  get subscribe(): (listener: () => void) => () => void {
    return this.#cell.subscribe;
  }

  /** What the value is made of has changed. */
  touch(): void {
    if (this.#state === 'due') return;
    this.#state = 'due';
    const waitMs = this.#toldAt + frameMs - Date.now();
    // A clock that was set back must not make anybody wait for it.
    if (waitMs <= 0 || waitMs > frameMs) void Promise.resolve().then(this.#tell);
    else setTimeout(this.#tell, waitMs);
  }

  readonly #tell = (): void => {
    this.#state = 'still';
    this.#toldAt = Date.now();
    this.#cell.set(this.#make(this.#cell.get()));
  };
}
