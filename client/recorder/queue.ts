import type { SegmentReceipt } from '@parley/shared/voice';
import { ParleyFailure } from '../failure.ts';
import { type Cancellations, cancellations } from './cancellation.ts';
import { type Deliveries, deliveries, type Sent } from './delivery.ts';
import { type KeptSegments, keptSegments } from './kept.ts';
import { type Entry, makeRoom, newEntry, Recording } from './recording.ts';
import { isNever, type VoiceCalls } from './send.ts';
import { memoryStore, nameOf, type RecordingKey, type Segment, type SegmentStore } from './store.ts';

export type QueueEvent =
  | { type: 'acknowledged'; segment: Segment; receipt: SegmentReceipt }
  /** It is sent again after this many milliseconds. */
  | { type: 'retrying'; segment: Segment; failure: ParleyFailure; waitMs: number }
  /** It is not sent again by itself. `isKept`: `retry` does; else the same bytes can never be taken, and this is the last of them. */
  | { type: 'failed'; segment: Segment; failure: ParleyFailure; isKept: boolean }
  /** The store does not work, so that a restart would lose what is not acknowledged yet. */
  | { type: 'unstored'; error: unknown };

export interface QueueOptions {
  /** The server: `voiceCalls(parley)`. */
  voice: VoiceCalls;
  /** Outlives the app; in memory by default. */
  store?: SegmentStore;
  /** Bytes of segments that are held; 64 MB by default, half an hour of 16-bit samples at 16 kHz. */
  mostBytes?: number;
  /** Segments that are sent at once; 3 by default. */
  parallel?: number;
  /** Milliseconds that one try may take; 60 s by default. */
  tryMs?: number;
}

/** Recordings that are done and of which segments can be sent again. */
const mostDone = 8;

/**
 * Segments on their way to the server: a few at once, each again with growing pauses until it is acknowledged, also after a
 * restart of the app when the store outlives it. What it holds is bounded; what is acknowledged makes room first.
 */
export class SegmentQueue {
  readonly voice: VoiceCalls;
  readonly #kept: KeptSegments;
  readonly #deliveries: Deliveries;
  readonly #cancellations: Cancellations;
  readonly #mostBytes: number;
  readonly #recordings = new Map<string, Recording>();
  readonly #listeners = new Set<(event: QueueEvent) => void>();

  constructor({
    voice,
    store = memoryStore(),
    mostBytes = 64 * 1024 * 1024,
    parallel = 3,
    tryMs = 60_000,
  }: QueueOptions) {
    this.voice = voice;
    this.#kept = keptSegments(store, (error) => this.#tell({ type: 'unstored', error }));
    this.#cancellations = cancellations(voice, this.#kept, tryMs);
    this.#mostBytes = mostBytes;
    const deliver = { parallel, tryMs };
    this.#deliveries = deliveries(voice, deliver, {
      isGone: (recording) => this.#isGone(recording),
      retrying: (segment, failure, waitMs) => this.#tell({ type: 'retrying', segment, failure, waitMs }),
      acknowledged: (sent, receipt) => this.#acknowledged(sent, receipt),
      failed: (sent, failure) => this.#failed(sent, failure),
    });
  }

  /** Segments that are not acknowledged yet: those on their way, and those that failed and are kept. */
  get pending(): number {
    const entries = [...this.#recordings.values()].flatMap((recording) => [...recording.entries.values()]);
    return entries.filter(({ state, segment }) => segment && state.kind !== 'acknowledged').length;
  }

  /** Returns what ends it. */
  on(listener: (event: QueueEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** @throws ParleyFailure PAYLOAD_TOO_LARGE when there is no room: nothing was taken. */
  add(segment: Segment): void {
    makeRoom([...this.#recordings.values()], segment.data.length, this.#mostBytes);
    const recording = this.#recording(segment);
    this.#enter(recording, newEntry(segment));
    this.#kept.put(segment);
    this.#tidy(recording);
  }

  /** There is no more to come: the last segment of those that were added is the last. It is sent again if need be. */
  end(key: RecordingKey): void {
    const recording = this.#recordings.get(nameOf(key));
    const entry = recording?.highest;
    if (!recording || !entry || recording.isEnded) return;
    entry.isLast = true;
    if (entry.segment) {
      const segment = { ...entry.segment, isLast: true };
      entry.segment = segment;
      if (entry.isStored) this.#kept.put(segment);
      // One that is on its way is sent once more after that.
      if (entry.state.kind === 'acknowledged') this.#enter(recording, entry);
    }
    recording.settle();
  }

  /**
   * Resolves when all segments to the last are acknowledged, with the turn that the recording becomes.
   * @throws ParleyFailure
   */
  finished(key: RecordingKey): Promise<{ turnId: string }> {
    const recording = this.#recordings.get(nameOf(key));
    if (recording) return recording.finished();
    return Promise.reject(new ParleyFailure('NOT_FOUND', 'There is no such recording.'));
  }

  /** Sends again what has failed and is kept; of one recording, or all. */
  retry(key?: RecordingKey): void {
    for (const recording of this.#recordings.values()) {
      if (key && nameOf(key) !== nameOf(recording.key)) continue;
      for (const entry of recording.entries.values())
        if (entry.state.kind === 'failed' && entry.segment) this.#enter(recording, entry);
    }
    this.wake();
  }

  /** Whether these segments of a recording can be sent again: all of it by default. */
  holds(key: RecordingKey, indexes = this.#indexesOf(key)): boolean {
    const recording = this.#recordings.get(nameOf(key));
    return indexes.length > 0 && indexes.every((index) => recording?.entries.get(index)?.segment !== undefined);
  }

  /** Sends these segments again, such as those that a `turn.failed` lists; all by default. Returns those that are held no more. */
  resend(key: RecordingKey, indexes = this.#indexesOf(key)): number[] {
    const recording = this.#recordings.get(nameOf(key));
    const lost = indexes.filter((index) => {
      const entry = recording?.entries.get(index);
      if (!recording || !entry?.segment) return true;
      if (entry.state.kind === 'acknowledged' || entry.state.kind === 'failed') this.#enter(recording, entry);
      return false;
    });
    this.wake();
    return lost;
  }

  /**
   * Forgets a recording, and tells the server, now or when it can be told: no turn comes of it, unless that has begun. A store
   * that outlives the app remembers it until then.
   */
  cancel(key: RecordingKey): void {
    this.#cancellations.add(key);
    this.drop(key);
  }

  /** Forgets a recording. What the server has of it is not completed. */
  drop(key: RecordingKey): void {
    const recording = this.#recordings.get(nameOf(key));
    if (!recording) return;
    this.#recordings.delete(nameOf(key));
    for (const entry of recording.entries.values()) this.#remove(recording, entry);
    recording.abandon(new ParleyFailure('UNAVAILABLE', 'The recording was dropped.', { retryable: false }));
  }

  /**
   * Takes up what an app that ended before had not sent. A recording that it broke off ends with its last segment; one that it
   * cancelled is sent no more. Returns the recordings that are sent.
   */
  async resume(): Promise<RecordingKey[]> {
    const cancelled = new Set((await this.#cancellations.resume()).map(nameOf));
    const found = new Map<string, Segment[]>();
    for (const segment of await this.#kept.list()) {
      const name = nameOf(segment);
      if (cancelled.has(name)) this.#kept.remove(segment, segment.index);
      else if (!this.#recordings.has(name)) found.set(name, [...(found.get(name) ?? []), segment]);
    }
    return [...found.values()].flatMap((segments) => {
      const [first] = segments.sort((a, b) => a.index - b.index);
      if (!first) return [];
      const recording = this.#recording(first);
      for (const segment of segments) this.#enter(recording, newEntry(segment));
      this.end(recording.key);
      return [recording.key];
    });
  }

  /** Tries at once what waits to be tried again: the network is back. */
  wake(): void {
    this.#deliveries.wake();
    this.#cancellations.wake();
  }

  /** Sends no more; what the store has stays there. Resolves when the store is left alone. */
  async close(): Promise<void> {
    this.#deliveries.close();
    this.#cancellations.close();
    const failure = new ParleyFailure('UNAVAILABLE', 'The recorder was closed.');
    for (const recording of this.#recordings.values()) recording.abandon(failure);
    await this.#kept.settled;
    this.#kept.close();
  }

  #indexesOf(key: RecordingKey): readonly number[] {
    return [...(this.#recordings.get(nameOf(key))?.entries.keys() ?? [])];
  }

  #recording({ conversationId, voiceSessionId }: RecordingKey): Recording {
    const key = { conversationId, voiceSessionId };
    const known = this.#recordings.get(nameOf(key));
    if (known) return known;
    const recording = new Recording(key);
    this.#recordings.set(nameOf(key), recording);
    const done = [...this.#recordings].filter(([, { outcome }]) => outcome.kind === 'done');
    for (const [name] of done.slice(0, Math.max(0, done.length - mostDone))) this.#recordings.delete(name);
    return recording;
  }

  #enter(recording: Recording, entry: Entry): void {
    recording.entries.set(entry.index, entry);
    this.#deliveries.add(recording, entry);
  }

  #isGone(recording: Recording): boolean {
    return this.#deliveries.isClosed || this.#recordings.get(nameOf(recording.key)) !== recording;
  }

  #acknowledged({ recording, entry, segment, askedAt }: Sent, receipt: SegmentReceipt): void {
    const again = recording.acknowledge(entry, receipt, { at: this.#deliveries.tick(), askedAt });
    // It became the last one while it was on its way, or was sent as such and is not stored as such.
    if (entry.segment !== segment) again.push(entry);
    for (const each of again) this.#enter(recording, each);
    this.#tidy(recording);
    this.#tell({ type: 'acknowledged', segment, receipt });
    recording.settle();
  }

  #failed({ recording, entry, segment }: Sent, failure: ParleyFailure): void {
    const isKept = !isNever(failure);
    entry.state = { kind: 'failed', failure, isKept };
    if (!isKept) {
      this.#remove(recording, entry);
      entry.segment = undefined;
    }
    this.#tell({ type: 'failed', segment, failure, isKept });
    recording.settle();
  }

  /** Takes what is acknowledged out of the store; the newest segment of an open recording may yet become its last. */
  #tidy(recording: Recording): void {
    const { highest, isEnded } = recording;
    for (const entry of recording.entries.values())
      if (entry.state.kind === 'acknowledged' && (isEnded || entry !== highest)) this.#remove(recording, entry);
  }

  #remove({ key }: Recording, entry: Entry): void {
    if (!entry.isStored) return;
    entry.isStored = false;
    this.#kept.remove(key, entry.index);
  }

  #tell(event: QueueEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }
}
