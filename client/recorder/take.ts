import { limits } from '@parley/shared/limits';
import { PcmCutter } from './cut.ts';
import type { SegmentQueue } from './queue.ts';
import { type AudioChunk, type AudioSource, littleEndian } from './source.ts';
import type { RecordingKey, Segment } from './store.ts';

export type EndReason = 'source' | 'length' | 'full';

/** One recording as it is made: sound from the source becomes segments in the queue. */
export class Take {
  readonly key: RecordingKey;
  segments = 0;
  isCancelled = false;
  onSegment: (segments: number) => void = () => {};
  onEnd: (why: EndReason, error?: unknown) => void = () => {};
  leave: () => void = () => {};
  readonly #source: AudioSource;
  readonly #segmentMs: number;
  readonly #queue: SegmentQueue;
  readonly #cutter: PcmCutter | undefined;
  #state: 'open' | 'ending' | 'over' = 'open';
  #held: AudioChunk[] = [];
  #ms = 0;

  constructor(key: RecordingKey, source: AudioSource, segmentMs: number, queue: SegmentQueue) {
    this.key = key;
    this.#source = source;
    this.#segmentMs = segmentMs;
    this.#queue = queue;
    const { format, sampleRate } = source;
    if (format !== 'pcm_s16le') return;
    if (sampleRate === undefined) throw new TypeError('A source of samples needs a sampleRate.');
    const most = Math.min((segmentMs / 1000) * sampleRate, limits.segmentBytes / 2);
    this.#cutter = new PcmCutter(sampleRate, Math.floor(most));
  }

  async start(): Promise<void> {
    const onEnd = (error?: unknown): void => {
      if (this.#state === 'open') this.onEnd('source', error);
    };
    await this.#source.start((chunk) => this.#take(chunk), { segmentMs: this.#segmentMs, onEnd });
  }

  /** What the source still gives is the end of the recording. */
  async stop(): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'ending';
    try {
      await this.#source.stop();
    } finally {
      const left = this.#cutter ? [chunkOf(this.#cutter.end())] : this.#held;
      const chunks = left.filter(({ data }) => data.length > 0);
      this.#state = 'over';
      for (const [index, chunk] of chunks.entries()) this.#add(chunk, index === chunks.length - 1);
      // Does nothing when the last segment was added as such.
      this.#queue.end(this.key);
    }
  }

  #take(chunk: AudioChunk): void {
    if (this.#state === 'over' || this.isCancelled) return;
    if (this.#cutter)
      for (const samples of this.#cutter.push(samplesOf(chunk.data))) this.#add(chunkOf(samples), false);
    else if (this.#state === 'ending') this.#held.push(chunk);
    else this.#add(chunk, false);
  }

  #add({ data, durationMs }: AudioChunk, isLast: boolean): void {
    const { format, sampleRate } = this.#source;
    const ms = sampleRate !== undefined && this.#cutter ? (data.length / 2 / sampleRate) * 1000 : (durationMs ?? 0);
    const piece: Segment = {
      ...this.key,
      index: this.segments,
      isLast,
      format,
      ...(this.#cutter && sampleRate !== undefined && { sampleRate }),
      ...(ms > 0 && { durationMs: ms }),
      data,
    };
    try {
      this.#queue.add(piece);
    } catch (error) {
      if (this.#state === 'open') this.onEnd('full', error);
      return;
    }
    this.segments++;
    this.#ms += ms;
    if (this.#state !== 'open') return;
    this.onSegment(this.segments);
    // One more is to come, which ends it.
    const isLong = this.#ms + 2 * this.#segmentMs > limits.voiceSessionSeconds * 1000;
    if (isLong || this.segments >= limits.segmentIndex) this.onEnd('length');
  }
}

function samplesOf(data: Uint8Array): Int16Array {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Int16Array.from({ length: data.length >> 1 }, (_, index) => view.getInt16(2 * index, true));
}

function chunkOf(samples: Int16Array): AudioChunk {
  return { data: littleEndian(samples) };
}
