/** Timers as React Native's native side gives them: by number, and standing still while the app is in the background. */
export class Clock {
  readonly #timers = new Map<number, NodeJS.Timeout>();
  #due: (() => void)[] = [];
  #state: 'running' | 'frozen' | 'closed' = 'running';
  #last = 0;

  readonly setTimeout = (callback: (...words: unknown[]) => void, ms = 0, ...words: unknown[]): number => {
    const id = ++this.#last;
    const timer = setTimeout(() => {
      this.when(() => {
        if (this.#timers.delete(id)) callback(...words);
      });
    }, ms);
    this.#timers.set(id, timer);
    return id;
  };

  readonly setInterval = (callback: (...words: unknown[]) => void, ms = 0, ...words: unknown[]): number => {
    const id = ++this.#last;
    let isDue = false;
    const timer = setInterval(() => {
      // However long it stood still, once is due.
      if (isDue) return;
      isDue = true;
      this.when(() => {
        isDue = false;
        if (this.#timers.has(id)) callback(...words);
      });
    }, ms);
    this.#timers.set(id, timer);
    return id;
  };

  readonly clear = (id: unknown): void => {
    if (typeof id !== 'number') return;
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
  };

  /** Now, or as soon as the app runs again. */
  when(work: () => void): void {
    if (this.#state === 'running') work();
    else if (this.#state === 'frozen') this.#due.push(work);
  }

  freeze(): void {
    this.#state = 'frozen';
  }

  thaw(): void {
    this.#state = 'running';
    for (const work of this.#due.splice(0)) work();
  }

  /** Timers that have not fired. */
  get pending(): number {
    return this.#timers.size;
  }

  close(): void {
    this.#state = 'closed';
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}
