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
export interface Deliveries {
  readonly isClosed: boolean;
  add(recording: Recording, entry: Entry): void;
  /** The next moment of the clock. */
  tick(): number;
  /** Ends all pauses. */
  wake(): void;
  close(): void;
}

export function deliveries(
  voice: VoiceCalls,
  { parallel, tryMs }: { parallel: number; tryMs: number },
  listener: DeliveryListener,
): Deliveries {
  const waiting: { recording: Recording; entry: Entry }[] = [];
  const closed = new AbortController();
  let woken = new AbortController();
  let sending = 0;
  /** Counts what is asked and answered. */
  let clock = 0;
  const tick = (): number => ++clock;

  const deliver = async (recording: Recording, entry: Entry): Promise<void> => {
    entry.state = { kind: 'sending' };
    const isFinal = failures();
    for (let tries = 0; entry.segment && !listener.isGone(recording); tries++) {
      const { segment } = entry;
      const sent = { recording, entry, segment, askedAt: tick() };
      const answer = await tryOnce((signal) => voice.sendSegment(segment, signal), tryMs, closed.signal);
      if (listener.isGone(recording)) return;
      if (!(answer instanceof ParleyFailure)) return listener.acknowledged(sent, answer);
      if (isFinal(answer)) return listener.failed(sent, answer);
      const waitMs = Math.max(backoff(tries), retryAfter(answer));
      listener.retrying(segment, answer, waitMs);
      await pause(waitMs, woken.signal);
    }
  };

  const next = (): void => {
    while (sending < parallel && !closed.signal.aborted) {
      const first = waiting.shift();
      if (!first) return;
      sending++;
      void deliver(first.recording, first.entry).finally(() => {
        sending--;
        next();
      });
    }
  };

  const wake = (): void => {
    woken.abort();
    woken = new AbortController();
  };

  return {
    tick,
    wake,
    get isClosed() {
      return closed.signal.aborted;
    },
    add(recording, entry) {
      entry.state = { kind: 'waiting' };
      waiting.push({ recording, entry });
      next();
    },
    close() {
      closed.abort();
      wake();
    },
  };
}
