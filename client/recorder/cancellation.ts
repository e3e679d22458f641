import { backoff, pause } from '../connection/backoff.ts';
import { ParleyFailure } from '../failure.ts';
import type { KeptSegments } from './kept.ts';
import { failures, isNever, retryAfter, tryOnce, type VoiceCalls } from './send.ts';
import { nameOf, type RecordingKey } from './store.ts';

/** Cancelled recordings that wait. Of older ones the server learns by itself, when nothing has come of them for long. */
const most = 64;

/** Tells the server which recordings are cancelled: one after the other, each again with growing pauses until it is heard. */
export interface Cancellations {
  add(key: RecordingKey): void;
  /** Takes up those of an app that ended before, and returns them. */
  resume(): Promise<RecordingKey[]>;
  /** Ends all pauses. */
  wake(): void;
  close(): void;
}

export function cancellations(voice: VoiceCalls, kept: KeptSegments, tryMs: number): Cancellations {
  const waiting = new Map<string, RecordingKey>();
  const closed = new AbortController();
  let woken = new AbortController();
  let isTelling = false;

  const done = (key: RecordingKey): void => {
    waiting.delete(nameOf(key));
    kept.forgetCancelled(key);
  };

  const tell = async (key: RecordingKey): Promise<void> => {
    const isFinal = failures();
    for (let tries = 0; waiting.has(nameOf(key)); tries++) {
      const answer = await tryOnce((signal) => voice.cancelRecording(key, signal), tryMs, closed.signal);
      if (closed.signal.aborted) return;
      if (!(answer instanceof ParleyFailure) || isNever(answer)) done(key);
      // Whoever is signed in again may be heard: it stays in the store for then.
      else if (isFinal(answer)) waiting.delete(nameOf(key));
      else await pause(Math.max(backoff(tries), retryAfter(answer)), woken.signal);
    }
  };

  const tellAll = async (): Promise<void> => {
    isTelling = true;
    for (const key of waiting.values()) if (!closed.signal.aborted) await tell(key);
    isTelling = false;
  };

  const enter = (key: RecordingKey): void => {
    waiting.set(nameOf(key), key);
    for (const oldest of waiting.values()) if (waiting.size > most) done(oldest);
    if (!isTelling) void tellAll();
  };

  const wake = (): void => {
    woken.abort();
    woken = new AbortController();
  };

  return {
    wake,
    add({ conversationId, voiceSessionId }) {
      const key = { conversationId, voiceSessionId };
      kept.cancel(key);
      enter(key);
    },
    async resume() {
      const keys = await kept.listCancelled();
      for (const key of keys) enter(key);
      return keys;
    },
    close() {
      closed.abort();
      wake();
    },
  };
}
