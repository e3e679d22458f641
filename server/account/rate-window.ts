/**
 * Counts how often names come within windows of time that all begin together, without a timer. Bounded: beyond `most` names
 * in one window the count that began first is given up, so that many names at once cost accuracy and no memory.
 */
export class RateWindow {
  readonly #counts = new Map<string, number>();
  readonly #limit: number;
  readonly #windowMs: number;
  readonly #most: number;
  #until = 0;

  /** @param limit How often a name may come in `windowMs` milliseconds. */
  constructor(limit: number, windowMs: number, most = 10_000) {
    this.#limit = limit;
    this.#windowMs = windowMs;
    this.#most = most;
  }

  /** Names that are counted now. */
  get size(): number {
    return this.#counts.size;
  }

  /** Counts one more; 0 when it is within the limit, else the milliseconds until it may come again. */
  count(name: string): number {
    const now = performance.now();
    if (now >= this.#until) {
      this.#counts.clear();
      this.#until = now + this.#windowMs;
    }
    const count = this.#counts.get(name) ?? 0;
    if (count >= this.#limit) return this.#until - now;
    this.#counts.set(name, count + 1);
    if (this.#counts.size > this.#most) {
      const [oldest] = this.#counts.keys();
      if (oldest !== undefined) this.#counts.delete(oldest);
    }
    return 0;
  }
}
