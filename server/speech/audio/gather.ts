import { Resampler } from './resample.ts';
import { damaged, tooLong } from './undecodable.ts';

/** The rate at which the speech models listen. */
export const speechRate = 16_000;
/** Encoders fill up their last frame: so much more than the bound is taken for it. */
const paddingSeconds = 0.1;

/**
 * Gathers decoded sound, of any rate and any number of channels, as mono at 16 kHz, and not more than `maxSeconds` of it. However
 * that goes, it is to be freed.
 */
export class Gathering {
  readonly #maxSeconds: number;
  readonly #pieces: Float32Array[] = [];
  #resampler: { rate: number; resampler: Resampler } | undefined;
  #seconds = 0;

  constructor(maxSeconds: number) {
    this.#maxSeconds = maxSeconds;
  }

  /** How much has come. */
  get seconds(): number {
    return this.#seconds;
  }

  /** Throws Undecodable when it has become too much. */
  async add(channels: readonly Float32Array[], rate: number): Promise<void> {
    const [first] = channels;
    if (first === undefined || first.length === 0) return;
    if (!(rate >= 4_000 && rate <= 384_000)) throw damaged(`${rate} samples a second are no sound`);
    this.#seconds += first.length / rate;
    if (this.#seconds > this.#maxSeconds + paddingSeconds) throw tooLong(`it is longer than ${this.#maxSeconds} s`);
    const mono = channels.length === 1 ? first : mix(channels, first.length);
    if (this.#resampler?.rate !== rate) {
      this.#endPart();
      if (rate !== speechRate) this.#resampler = { rate, resampler: await Resampler.create(rate, speechRate) };
    }
    this.#pieces.push(...(this.#resampler === undefined ? [mono] : this.#resampler.resampler.push(mono)));
  }

  end(): Float32Array<ArrayBuffer> {
    this.#endPart();
    const all = new Float32Array(this.#pieces.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const piece of this.#pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    // Damaged files decode to what is no number, or far too loud.
    for (let index = 0; index < all.length; index++) {
      const sample = all[index] ?? 0;
      if (!(sample >= -1 && sample <= 1)) all[index] = sample > 1 ? 1 : sample < -1 ? -1 : 0;
    }
    return all;
  }

  /** What is gathered stays. */
  free(): void {
    this.#resampler?.resampler.free();
    this.#resampler = undefined;
  }

  #endPart(): void {
    if (this.#resampler !== undefined) this.#pieces.push(...this.#resampler.resampler.end());
    this.free();
  }
}

function mix(channels: readonly Float32Array[], length: number): Float32Array {
  const mono = new Float32Array(length);
  for (const channel of channels) {
    for (let index = 0; index < length; index++)
      mono[index] = (mono[index] ?? 0) + (channel[index] ?? 0) / channels.length;
  }
  return mono;
}
