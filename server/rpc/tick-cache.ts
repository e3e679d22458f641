/**
 * Remembers values until the end of the tick. Subscribers of an event all get it within one tick, while its log keeps it for
 * an hour: what was made for the way to them must not be kept as long.
 */
export class TickCache<Key, Value> {
  readonly #values = new Map<Key, Value>();
  readonly #clear = (): void => this.#values.clear();

  get(key: Key): Value | undefined {
    return this.#values.get(key);
  }

  set(key: Key, value: Value): void {
    if (this.#values.size === 0) process.nextTick(this.#clear);
    this.#values.set(key, value);
  }
}
