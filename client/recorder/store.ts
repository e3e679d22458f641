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
}

/** For when nothing has to outlive the app, and for tests. */
export function memoryStore(): SegmentStore {
  const kept = new Map<string, Segment>();
  const nameOf = ({ conversationId, voiceSessionId }: RecordingKey, index: number): string =>
    JSON.stringify([conversationId, voiceSessionId, index]);
  return {
    async put(segment) {
      kept.set(nameOf(segment, segment.index), segment);
    },
    async remove(key, index) {
      kept.delete(nameOf(key, index));
    },
    list: async () => [...kept.values()],
  };
}
