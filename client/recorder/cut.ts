/** The stretch that is compared, in seconds: about a short pause between two words, longer than those within one. */
const windowSeconds = 0.06;

/**
 * Where a recording is cut best between two places: in the middle of its quietest stretch, so that no word is cut in two.
 * All places are counts of samples.
 */
export function quietest(samples: Int16Array, sampleRate: number, from: number, to: number): number {
  const size = Math.max(1, Math.round(windowSeconds * sampleRate));
  const end = Math.min(to, samples.length);
  if (end - from <= size) return Math.min(from + (size >> 1), end);
  let energy = 0;
  for (let at = from; at < from + size; at++) energy += Math.abs(samples[at] ?? 0);
  let least = energy;
  let found = from;
  for (let at = from + 1; at + size <= end; at++) {
    energy += Math.abs(samples[at + size - 1] ?? 0) - Math.abs(samples[at - 1] ?? 0);
    if (energy >= least) continue;
    least = energy;
    found = at;
  }
  return found + (size >> 1);
}

/** Seconds that stay behind a cut, so that there is always something for the last segment. */
const tailSeconds = 0.1;
/** From where on in a segment it may be cut. */
const earliest = 0.7;

/** Cuts a stream of 16-bit samples into segments of at most a length, at pauses where there are any. */
export class PcmCutter {
  readonly #sampleRate: number;
  readonly #most: number;
  readonly #samples: Int16Array;
  #length = 0;

  /** @param most Samples of one segment. */
  constructor(sampleRate: number, most: number) {
    this.#sampleRate = sampleRate;
    this.#most = most;
    this.#samples = new Int16Array(most + Math.ceil(tailSeconds * sampleRate));
  }

  /** The segments that these samples complete. */
  *push(samples: Int16Array): Generator<Int16Array, void, void> {
    for (let at = 0; at < samples.length; ) {
      const piece = samples.subarray(at, at + this.#samples.length - this.#length);
      this.#samples.set(piece, this.#length);
      this.#length += piece.length;
      at += piece.length;
      if (this.#length < this.#samples.length) return;
      const cut = quietest(this.#samples, this.#sampleRate, Math.floor(earliest * this.#most), this.#most);
      yield this.#samples.slice(0, cut);
      this.#samples.copyWithin(0, cut);
      this.#length -= cut;
    }
  }

  /** What is left, empty when nothing came. */
  end(): Int16Array {
    return this.#samples.slice(0, this.#length);
  }
}
