/** Runs the tasks of one key one after the other, in the order of the calls; those of different keys side by side. */
export class Lanes {
  readonly #lanes = new Map<string, { tail: Promise<unknown>; waiting: number }>();
  readonly #maxWaiting: number;

  /** @param maxWaiting Tasks that may wait for one key; one more is refused. */
  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting;
  }

  /** Starts the task at once when nothing of its key is running. */
  run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const lane = this.#lanes.get(key) ?? { tail: undefined, waiting: 0 };
    if (lane.waiting >= this.#maxWaiting) return Promise.reject(new Error('too many writes are waiting for one log'));
    lane.waiting++;
    const result = lane.tail === undefined ? task() : lane.tail.then(task, task);
    const tail = result.then(
      () => this.#leave(key),
      () => this.#leave(key),
    );
    this.#lanes.set(key, { tail, waiting: lane.waiting });
    return result;
  }

  has(key: string): boolean {
    return this.#lanes.has(key);
  }

  #leave(key: string): void {
    const lane = this.#lanes.get(key);
    if (lane && --lane.waiting === 0) this.#lanes.delete(key);
  }
}
