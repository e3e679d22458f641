import { backoff, pause } from '../connection/backoff.ts';
import { ParleyFailure } from '../failure.ts';
import type { KeptSegments } from './kept.ts';
import { failures, isNever, retryAfter, tryOnce, type VoiceCalls } from './send.ts';
import { nameOf, type RecordingKey } from './store.ts';

/** Cancelled recordings that wait. Of older ones the server learns by itself, when nothing has come of them for long. */
const most = 64;

/** Tells the server which recordings are cancelled: one after the other, each again with growing pauses until it is heard. */
export class Cancellations {
  readonly #voice: VoiceCalls;
  readonly #kept: KeptSegments;
  readonly #tryMs: number;
  readonly #waiting = new Map<string, RecordingKey>();
  readonly #closed = new AbortController();
  #woken = new AbortController();
  #isTelling = false;

  constructor(voice: VoiceCalls, kept: KeptSegments, tryMs: number) {
    this.#voice = voice;
    this.#kept = kept;
    this.#tryMs = tryMs;
  }

  add({ conversationId, voiceSessionId }: RecordingKey): void {
    const key = { conversationId, voiceSessionId };
    this.#kept.cancel(key);
    this.#enter(key);
  }

  /** Takes up those of an app that ended before, and returns them. */
  async resume(): Promise<RecordingKey[]> {
    const keys = await this.#kept.listCancelled();
    for (const key of keys) this.#enter(key);
    return keys;
  }

  /** Ends all pauses. */
  wake(): void {
    this.#woken.abort();
    this.#woken = new AbortController();
  }

  close(): void {
    this.#closed.abort();
    this.wake();
  }

  #enter(key: RecordingKey): void {
    this.#waiting.set(nameOf(key), key);
    for (const oldest of this.#waiting.values()) {
      if (this.#waiting.size <= most) break;
      this.#done(oldest);
    }
    if (!this.#isTelling && !this.#closed.signal.aborted) void this.#tell();
  }

  async #tell(): Promise<void> {
    this.#isTelling = true;
    for (const key of this.#waiting.values()) {
      const failure = await this.#persist(key);
      if (this.#closed.signal.aborted) return;
      // Whoever is signed in again may be heard: it stays in the store for then.
      if (failure && !isNever(failure)) this.#waiting.delete(nameOf(key));
      else this.#done(key);
    }
    this.#isTelling = false;
  }

  /** Returns why it is not tried again. */
  async #persist(key: RecordingKey): Promise<ParleyFailure | undefined> {
    const isFinal = failures();
    const call = (signal: AbortSignal): Promise<unknown> => this.#voice.cancelRecording(key, signal);
    for (let tries = 1; this.#waiting.has(nameOf(key)); tries++) {
      const answer = await tryOnce(call, this.#tryMs, this.#closed.signal);
      if (!(answer instanceof ParleyFailure)) return undefined;
      if (this.#closed.signal.aborted || isFinal(answer)) return answer;
      await pause(Math.max(backoff(tries - 1), retryAfter(answer)), this.#woken.signal);
    }
    return undefined;
  }

  #done(key: RecordingKey): void {
    this.#waiting.delete(nameOf(key));
    this.#kept.forgetCancelled(key);
  }
}
