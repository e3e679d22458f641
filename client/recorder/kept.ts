import type { RecordingKey, Segment, SegmentStore } from './store.ts';

/** What a queue keeps in its store: one call at a time, in order. A call that fails is told of, and costs nothing but that. */
export class KeptSegments {
  readonly #store: SegmentStore;
  readonly #onError: (error: unknown) => void;
  #last: Promise<void> = Promise.resolve();

  constructor(store: SegmentStore, onError: (error: unknown) => void) {
    this.#store = store;
    this.#onError = onError;
  }

  put(segment: Segment): void {
    this.#then(() => this.#store.put(segment));
  }

  remove(key: RecordingKey, index: number): void {
    this.#then(() => this.#store.remove(key, index));
  }

  list(): Promise<Segment[]> {
    return this.#store.list();
  }

  cancel(key: RecordingKey): void {
    this.#then(async () => this.#store.cancelled?.put(key));
  }

  forgetCancelled(key: RecordingKey): void {
    this.#then(async () => this.#store.cancelled?.remove(key));
  }

  async listCancelled(): Promise<RecordingKey[]> {
    return (await this.#store.cancelled?.list()) ?? [];
  }

  /** Resolves when the store is left alone. */
  get settled(): Promise<void> {
    return this.#last;
  }

  #then(work: () => Promise<void>): void {
    this.#last = this.#last.then(work).catch(this.#onError);
  }
}
