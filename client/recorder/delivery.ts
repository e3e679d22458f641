import type { SegmentReceipt } from '@parley/shared/voice';
import { backoff, pause } from '../connection/backoff.ts';
import { ParleyFailure } from '../failure.ts';
import type { Entry, Recording } from './recording.ts';
import { failures, retryAfter, tryOnce, type VoiceCalls } from './send.ts';
import type { Segment } from './store.ts';

/** A segment that was sent. `askedAt`: when, on the deliveries' own clock. */
export interface Sent {
  recording: Recording;
  entry: Entry;
  segment: Segment;
  askedAt: number;
}

export interface DeliveryListener {
  /** Nobody wants the recording any more. */
  isGone(recording: Recording): boolean;
  retrying(segment: Segment, failure: ParleyFailure, waitMs: number): void;
  acknowledged(sent: Sent, receipt: SegmentReceipt): void;
  /** It is not sent again by itself. */
  failed(sent: Sent, failure: ParleyFailure): void;
}

/** Segments on their way: a few at once, in the order they were added, each again with growing pauses until it is settled. */
export class Deliveries {
  readonly #voice: VoiceCalls;
  readonly #options: { parallel: number; tryMs: number };
  readonly #listener: DeliveryListener;
  readonly #waiting: { recording: Recording; entry: Entry }[] = [];
  readonly #closed = new AbortController();
  #woken = new AbortController();
  #sending = 0;
  /** Counts what is asked and answered. */
  #clock = 0;

  constructor(voice: VoiceCalls, options: { parallel: number; tryMs: number }, listener: DeliveryListener) {
    this.#voice = voice;
    this.#options = options;
    this.#listener = listener;
  }

  get isClosed(): boolean {
    return this.#closed.signal.aborted;
  }

  add(recording: Recording, entry: Entry): void {
    entry.state = { kind: 'waiting' };
    this.#waiting.push({ recording, entry });
    this.#next();
  }

  /** The next moment of the clock. */
  tick(): number {
    return ++this.#clock;
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

  #next(): void {
    while (this.#sending < this.#options.parallel && !this.isClosed) {
      const next = this.#waiting.shift();
      if (!next) return;
      this.#sending++;
      void this.#deliver(next.recording, next.entry).finally(() => {
        this.#sending--;
        this.#next();
      });
    }
  }

  async #deliver(recording: Recording, entry: Entry): Promise<void> {
    entry.state = { kind: 'sending' };
    const isFinal = failures();
    for (let tries = 1; entry.segment && !this.#listener.isGone(recording); tries++) {
      const { segment } = entry;
      const sent = { recording, entry, segment, askedAt: this.tick() };
      const send = (signal: AbortSignal): Promise<SegmentReceipt> => this.#voice.sendSegment(segment, signal);
      const answer = await tryOnce(send, this.#options.tryMs, this.#closed.signal);
      if (this.#listener.isGone(recording)) return;
      if (!(answer instanceof ParleyFailure)) return this.#listener.acknowledged(sent, answer);
      if (isFinal(answer)) return this.#listener.failed(sent, answer);
      const waitMs = Math.max(backoff(tries - 1), retryAfter(answer));
      this.#listener.retrying(segment, answer, waitMs);
      await pause(waitMs, this.#woken.signal);
    }
  }
}
