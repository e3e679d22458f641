/** What was found good a moment ago, by a hash of the credential. Holds at most `size` entries; the oldest go first. */
export class Recent<Value> {
  readonly #entries = new Map<string, { value: Value; until: number }>();
  readonly #size: number;

  constructor(size: number) {
    this.#size = size;
  }

  /** `at` and `until` are of the same clock. */
  get(name: string, at: number): Value | undefined {
    const entry = this.#entries.get(name);
    if (!entry) return undefined;
    if (entry.until > at) return entry.value;
    this.#entries.delete(name);
    return undefined;
  }

  put(name: string, value: Value, until: number): void {
    this.#entries.delete(name);
    this.#entries.set(name, { value, until });
    if (this.#entries.size <= this.#size) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  drop(matching: (value: Value) => boolean): void {
    for (const [name, { value }] of this.#entries) if (matching(value)) this.#entries.delete(name);
  }
}
