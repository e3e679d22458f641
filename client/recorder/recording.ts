import type { SegmentReceipt } from '@parley/shared/voice';
import { ParleyFailure } from '../failure.ts';
import type { RecordingKey, Segment } from './store.ts';

export type EntryState =
  | { kind: 'waiting' }
  | { kind: 'sending' }
  /** `at`: when, on the queue's own clock. */
  | { kind: 'acknowledged'; at: number }
  /** Kept: sending it again may help. */
  | { kind: 'failed'; failure: ParleyFailure; isKept: boolean };

/** A segment of a recording, from when it was cut. */
export interface Entry {
  readonly index: number;
  isLast: boolean;
  /** Gone when nobody needs it, or to make room. */
  segment: Segment | undefined;
  state: EntryState;
  isStored: boolean;
  /** How often it was sent again because the server had lost it. */
  again: number;
}

export type Outcome =
  /** Its last segment is still to come. */
  | { kind: 'open' }
  | { kind: 'sending'; waiting: number }
  | { kind: 'failed'; failure: ParleyFailure }
  | { kind: 'done'; turnId: string };

/** How often a segment that was acknowledged is sent again. */
const mostAgain = 5;

/** One recording as the client knows it: which segments there are, and what the server said of them. */
export class Recording {
  readonly key: RecordingKey;
  readonly entries = new Map<number, Entry>();
  /** What the server misses and nobody has any more. */
  readonly #lost = new Set<number>();
  #turnId: string | undefined;
  #waiters: { resolve(value: { turnId: string }): void; reject(error: ParleyFailure): void }[] = [];

  constructor(key: RecordingKey) {
    this.key = key;
  }

  get highest(): Entry | undefined {
    return this.entries.get(Math.max(...this.entries.keys()));
  }

  get isEnded(): boolean {
    return [...this.entries.values()].some(({ isLast }) => isLast);
  }

  get outcome(): Outcome {
    const entries = [...this.entries.values()];
    if (!this.isEnded) return { kind: 'open' };
    const waiting = entries.filter(({ state }) => state.kind === 'waiting' || state.kind === 'sending').length;
    if (waiting > 0) return { kind: 'sending', waiting };
    for (const { state } of entries) if (state.kind === 'failed') return { kind: 'failed', failure: state.failure };
    const missing = [...this.#lost].sort((a, b) => a - b);
    if (missing.length > 0) {
      const message = 'Parts of the recording are lost.';
      return { kind: 'failed', failure: new ParleyFailure('SEGMENTS_MISSING', message, { details: { missing } }) };
    }
    if (this.#turnId !== undefined) return { kind: 'done', turnId: this.#turnId };
    return { kind: 'failed', failure: new ParleyFailure('INTERNAL', 'The server did not say what becomes of it.') };
  }

  /**
   * The server has this segment. Returns those that it misses although it had acknowledged them before it was asked: they
   * have to be sent again. Others that it misses are on their way.
   */
  acknowledge(entry: Entry, receipt: SegmentReceipt, { at, askedAt }: { at: number; askedAt: number }): Entry[] {
    entry.state = { kind: 'acknowledged', at };
    this.#turnId = receipt.turnId ?? this.#turnId;
    this.#lost.delete(entry.index);
    const again: Entry[] = [];
    for (const index of receipt.missing) {
      const known = this.entries.get(index);
      if (known && !(known.state.kind === 'acknowledged' && known.state.at < askedAt)) continue;
      if (known?.segment && known.again++ < mostAgain) again.push(known);
      else this.#lost.add(index);
    }
    return again;
  }

  /** @throws ParleyFailure for what failed and was not healed; waits while the recording goes on */
  finished(): Promise<{ turnId: string }> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.settle();
    });
  }

  /** Tells whoever waits, when it is over. */
  settle(): void {
    const { outcome } = this;
    if (outcome.kind === 'done') for (const { resolve } of this.#waiters.splice(0)) resolve({ turnId: outcome.turnId });
    else if (outcome.kind === 'failed') this.abandon(outcome.failure);
  }

  abandon(failure: ParleyFailure): void {
    for (const { reject } of this.#waiters.splice(0)) reject(failure);
  }
}

/** A segment that is in the store and was not sent yet. */
export function newEntry(segment: Segment): Entry {
  const { index, isLast } = segment;
  return { index, isLast, segment, state: { kind: 'waiting' }, isStored: true, again: 0 };
}

/**
 * Lets go of acknowledged segments, the oldest first, until there is room for so many bytes.
 * @throws ParleyFailure PAYLOAD_TOO_LARGE when that does not suffice
 */
export function makeRoom(recordings: readonly Recording[], bytes: number, most: number): void {
  const all = recordings.flatMap((recording) => [...recording.entries.values()].map((entry) => ({ recording, entry })));
  let held = all.reduce((sum, { entry }) => sum + (entry.segment?.data.length ?? 0), 0);
  for (const { recording, entry } of all) {
    if (held + bytes <= most) return;
    // The newest one of an open recording may yet be sent again, as its last.
    const isNeeded = !recording.isEnded && entry === recording.highest;
    if (!entry.segment || entry.state.kind !== 'acknowledged' || isNeeded) continue;
    held -= entry.segment.data.length;
    entry.segment = undefined;
  }
  if (held + bytes > most)
    throw new ParleyFailure('PAYLOAD_TOO_LARGE', 'Too much waits to be sent.', { details: { bytes: held } });
}
