import type { RecordingKey, Segment, SegmentStore } from './store.ts';

/** What a queue keeps in its store: one call at a time, in order. A call that fails is told of, and costs nothing but that. */
export interface KeptSegments {
  put(segment: Segment): void;
  remove(key: RecordingKey, index: number): void;
  list(): Promise<Segment[]>;
  cancel(key: RecordingKey): void;
  forgetCancelled(key: RecordingKey): void;
  listCancelled(): Promise<RecordingKey[]>;
  /** Resolves when the store is left alone. */
  readonly settled: Promise<void>;
  /** Nothing that is kept is sent from here any more. */
  close(): void;
}

export function keptSegments(store: SegmentStore, onError: (error: unknown) => void): KeptSegments {
  const { cancelled } = store;
  let last: Promise<void> = Promise.resolve();
  const then = (work: () => Promise<void> | undefined): void => {
    last = last.then(work).catch(onError);
  };
  return {
    put: (segment) => then(() => store.put(segment)),
    remove: (key, index) => then(() => store.remove(key, index)),
    list: () => store.list(),
    cancel: (key) => then(() => cancelled?.put(key)),
    forgetCancelled: (key) => then(() => cancelled?.remove(key)),
    listCancelled: async () => (await cancelled?.list()) ?? [],
    get settled() {
      return last;
    },
    close: () => store.close?.(),
  };
}
