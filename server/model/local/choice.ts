/** FNV-1a over UTF-16 code units: a cheap 32-bit number that depends on every character. */
export function fingerprint(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}

/** Picks by content instead of chance, so that the same conversation always goes on the same way. */
export class Choice {
  #state: number;

  constructor(seed: string) {
    this.#state = fingerprint(seed) || 1;
  }

  /** A whole number in [0, below); xorshift32. */
  number(below: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state % below;
  }

  of<T>(items: readonly [T, ...T[]]): T {
    return items[this.number(items.length)] ?? items[0];
  }
}

/** Whether a list has something to choose from. */
export function isFilled<T>(items: readonly T[]): items is readonly [T, ...T[]] {
  return items.length > 0;
}

/** Puts values into the `{slots}` of a phrasing; `{It}` is `it` with a capital letter. */
export function fill(phrasing: string, slots: Readonly<Record<string, string | undefined>>): string {
  return phrasing.replace(/\{(\w+)\}/g, (_, slot: string) => {
    const value = slots[slot] ?? slots[slot.toLowerCase()] ?? '';
    return slot === slot.toLowerCase() ? value : value.charAt(0).toUpperCase() + value.slice(1);
  });
}
