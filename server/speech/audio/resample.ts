import loadSpeex from '@echogarden/speex-resampler-wasm';

/** Of Speex, from 0 to 10: 5 has 80 dB of stopband, more than speech needs. */
const quality = 5;
/** Samples that go through the module's memory at once. */
const blockSize = 8_192;

let loading: ReturnType<typeof loadSpeex> | undefined;

/**
 * Brings a mono stream to another sample rate, piece by piece (Speex's windowed sinc). The delay of the filter is taken
 * out: what comes in at a time goes out at that time.
 */
export class Resampler {
  readonly #speex: Awaited<ReturnType<typeof loadSpeex>>;
  readonly #state: number;
  readonly #input: number;
  readonly #output: number;
  readonly #lengths: number;
  readonly #outputSize: number;
  #isFree = false;

  static async create(inRate: number, outRate: number): Promise<Resampler> {
    loading ??= loadSpeex();
    return new Resampler(await loading, inRate, outRate);
  }

  private constructor(speex: Awaited<ReturnType<typeof loadSpeex>>, inRate: number, outRate: number) {
    this.#speex = speex;
    this.#outputSize = Math.ceil((blockSize * outRate) / inRate) + 64;
    this.#input = speex._malloc(blockSize * 4);
    this.#output = speex._malloc(this.#outputSize * 4);
    this.#lengths = speex._malloc(8);
    this.#state = speex._speex_resampler_init(1, inRate, outRate, quality, this.#lengths);
    if (this.#state === 0) {
      this.free();
      throw new RangeError(`no resampling from ${inRate} to ${outRate}`);
    }
    speex._speex_resampler_skip_zeros(this.#state);
  }

  /** The samples that these complete. */
  push(samples: Float32Array): Float32Array[] {
    const made: Float32Array[] = [];
    for (let at = 0; at < samples.length; ) {
      const taken = this.#process(samples.subarray(at, at + blockSize), made);
      at += taken;
      if (taken === 0) throw new RangeError('the resampler takes no more');
    }
    return made;
  }

  /** The samples that the filter still held. */
  end(): Float32Array[] {
    return this.push(new Float32Array(this.#speex._speex_resampler_get_input_latency(this.#state)));
  }

  /** Gives back its part of the module's memory, which no garbage collection does. It is of no use afterwards. */
  free(): void {
    if (this.#isFree) return;
    this.#isFree = true;
    for (const pointer of [this.#input, this.#output, this.#lengths]) this.#speex._free(pointer);
    if (this.#state !== 0) this.#speex._speex_resampler_destroy(this.#state);
  }

  #process(block: Float32Array, made: Float32Array[]): number {
    const { HEAPF32, HEAPU32 } = this.#speex;
    HEAPF32.set(block, this.#input >> 2);
    HEAPU32[this.#lengths >> 2] = block.length;
    HEAPU32[(this.#lengths >> 2) + 1] = this.#outputSize;
    const { _speex_resampler_process_float: process } = this.#speex;
    process(this.#state, 0, this.#input, this.#lengths, this.#output, this.#lengths + 4);
    const [taken = 0, count = 0] = HEAPU32.subarray(this.#lengths >> 2, (this.#lengths >> 2) + 2);
    if (count > 0) made.push(HEAPF32.slice(this.#output >> 2, (this.#output >> 2) + count));
    return taken;
  }
}
