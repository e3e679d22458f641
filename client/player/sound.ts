import type { EventOf } from '@parley/shared/event';

/** A piece of an answer's sound with its place in it. */
export interface Sound {
  readonly turnId: string;
  readonly sentence: number;
  readonly samples: Float32Array<ArrayBuffer>;
  readonly sampleRate: number;
  /** Milliseconds of the sentence before it, and of its own. */
  readonly offsetMs: number;
  readonly durationMs: number;
  /** The sentence ends with it. */
  readonly last: boolean;
}

export type Refusal =
  /** Its turn was stopped. */
  | 'stopped'
  /** What comes after it has been taken already. */
  | 'late'
  /** No 16-bit samples. */
  | 'format'
  /** More waits than may. */
  | 'full';

/** Stopped turns whose late sound is known as such. */
const mostStopped = 256;

/** Takes an answer's sound apart: where each piece belongs, and which ones come too late to be played. */
export class SoundReader {
  readonly #stopped = new Set<string>();
  #turnId: string | undefined;
  #sentence = -1;
  #chunk = -1;
  #offsetMs = 0;

  /** From now on the turn has no sound. */
  stop(turnId: string): void {
    this.#stopped.delete(turnId);
    this.#stopped.add(turnId);
    const oldest = this.#stopped.keys().next();
    if (this.#stopped.size > mostStopped && !oldest.done) this.#stopped.delete(oldest.value);
  }

  /**
   * A chunk that is missing is passed over: what comes after it follows what came before it. The place within the sentence
   * then counts what was there only, so that never more counts as heard than was.
   */
  read(event: EventOf<'agent.audio'>): Sound | Refusal {
    const { turnId, sentence, chunk, data, sampleRate, last } = event;
    if (this.#stopped.has(turnId)) return 'stopped';
    if (turnId !== this.#turnId) {
      this.#turnId = turnId;
      this.#sentence = -1;
    }
    if (sentence < this.#sentence || (sentence === this.#sentence && chunk <= this.#chunk)) return 'late';
    if (event.format !== 'pcm_s16le' || !(sampleRate > 0)) return 'format';
    if (sentence !== this.#sentence) this.#offsetMs = 0;
    this.#sentence = sentence;
    this.#chunk = chunk;
    const samples = samplesOf(data);
    // Reckoned as the server reckons a sentence's length, so that one heard to its end counts as whole.
    const durationMs = (samples.length / sampleRate) * 1000;
    const offsetMs = this.#offsetMs;
    this.#offsetMs += durationMs;
    return { turnId, sentence, samples, sampleRate, offsetMs, durationMs, last };
  }
}

function samplesOf(data: Uint8Array): Float32Array<ArrayBuffer> {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const samples = new Float32Array(data.length >> 1);
  for (let i = 0; i < samples.length; i++) samples[i] = view.getInt16(2 * i, true) / 32_768;
  return samples;
}
