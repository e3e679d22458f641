/**
 * What was found good a moment ago, by a hash of the credential. Holds at most `size` entries, the oldest go first; what is
 * no longer good is let go of within `lastMs` of its end.
 */
export class Recent<Value> {
  readonly #entries = new Map<string, { value: Value; until: number }>();
  readonly #size: number;
  readonly #lastMs: number;
  #timer: NodeJS.Timeout | undefined;

  /** @param lastMs How long an entry is good. */
  constructor(size: number, lastMs: number) {
    this.#size = size;
    this.#lastMs = lastMs;
  }

  get(name: string): Value | undefined {
    const entry = this.#entries.get(name);
    return entry && entry.until > performance.now() ? entry.value : undefined;
  }

  /** `from`: when it was known to be good, of `performance.now()`. */
  put(name: string, value: Value, from: number): void {
    this.#entries.delete(name);
    this.#entries.set(name, { value, until: from + this.#lastMs });
    this.#timer ??= setInterval(() => this.#tidy(), this.#lastMs).unref();
    if (this.#entries.size <= this.#size) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  drop(matching: (value: Value) => boolean): void {
    for (const [name, { value }] of this.#entries) if (matching(value)) this.#entries.delete(name);
  }

  close(): void {
    this.#entries.clear();
    this.#stop();
  }

  #tidy(): void {
    const now = performance.now();
    for (const [name, { until }] of this.#entries) if (until <= now) this.#entries.delete(name);
    if (this.#entries.size === 0) this.#stop();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
