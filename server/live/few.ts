/**
 * A set that almost always has one element, or none: a lone one is held as it is, and a Set, which takes 150 bytes even for
 * one, is made when a second one joins. As in a Set, an element that leaves while the others are gone through is not met.
 */
export class Few<T> {
  #lone: T | undefined;
  #several: Set<T> | undefined;

  get size(): number {
    return this.#several?.size ?? (this.#lone === undefined ? 0 : 1);
  }

  add(element: T): void {
    if (this.#several) this.#several.add(element);
    else if (this.#lone === undefined || this.#lone === element) this.#lone = element;
    else {
      this.#several = new Set([this.#lone, element]);
      this.#lone = undefined;
    }
  }

  /** Whether it was there. */
  delete(element: T): boolean {
    if (this.#several) return this.#several.delete(element);
    if (this.#lone === undefined || this.#lone !== element) return false;
    this.#lone = undefined;
    return true;
  }

  find(matches: (element: T) => boolean): T | undefined {
    for (const element of this.all()) if (matches(element)) return element;
    return undefined;
  }

  all(): Iterable<T> {
    return this.#several ?? (this.#lone === undefined ? none : [this.#lone]);
  }
}

const none: readonly never[] = [];
