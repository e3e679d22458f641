import type { AudioFormat } from '@parley/shared/voice';

/** Names a recording. */
export interface RecordingKey {
  conversationId: string;
  voiceSessionId: string;
}

/** One piece of a recording, as it is sent. */
export interface Segment extends RecordingKey {
  index: number;
  isLast: boolean;
  format: AudioFormat;
  /** Only of `pcm_s16le`. */
  sampleRate?: number;
  durationMs?: number;
  data: Uint8Array<ArrayBuffer>;
}

/**
 * Where segments are kept until the server has them, so that a recording outlives the app that made it: IndexedDB, a file …
 * Calls come one at a time, in order. One that fails costs nothing but that.
 */
export interface SegmentStore {
  /** Keeps a segment; one of the same recording with the same index is replaced. */
  put(segment: Segment): Promise<void>;
  remove(key: RecordingKey, index: number): Promise<void>;
  /** All that is kept, in any order. */
  list(): Promise<Segment[]>;
  /** Recordings that were cancelled, until the server knows. A store without it forgets them with the app. */
  readonly cancelled?: KeyStore;
  /** Whoever kept segments sends none of them any more: they are another's to list. What comes still is kept. */
  close?(): void;
}

/** Keeps names of recordings; otherwise as a store of segments. */
export interface KeyStore {
  put(key: RecordingKey): Promise<void>;
  remove(key: RecordingKey): Promise<void>;
  list(): Promise<RecordingKey[]>;
}

/** A recording's name as one text. */
export function nameOf({ conversationId, voiceSessionId }: RecordingKey): string {
  return JSON.stringify([conversationId, voiceSessionId]);
}

/** For when nothing has to outlive the app, and for tests. */
export function memoryStore(): SegmentStore & { readonly cancelled: KeyStore } {
  const kept = new Map<string, Segment>();
  const cancelled = new Map<string, RecordingKey>();
  const placeOf = (key: RecordingKey, index: number): string => `${nameOf(key)} ${index}`;
  return {
    async put(segment) {
      kept.set(placeOf(segment, segment.index), segment);
    },
    async remove(key, index) {
      kept.delete(placeOf(key, index));
    },
    list: async () => [...kept.values()],
    cancelled: {
      async put(key) {
        cancelled.set(nameOf(key), key);
      },
      async remove(key) {
        cancelled.delete(nameOf(key));
      },
      list: async () => [...cancelled.values()],
    },
  };
}
