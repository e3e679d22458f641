/** Each bucket is this much wider than the one before it: what is told is off by a hundredth at most. */
const growth = 1.02;
/** Milliseconds of the first bucket's end. */
const least = 0.05;
/** Buckets up to an hour. */
const buckets = Math.ceil(Math.log(3_600_000 / least) / Math.log(growth)) + 1;

/** Durations, in a size that does not grow with how many there are (as HdrHistogram, with buckets by the logarithm). */
export class Histogram {
  readonly #counts = new Uint32Array(buckets);
  #count = 0;
  #sum = 0;
  #max = 0;

  get count(): number {
    return this.#count;
  }

  add(ms: number): void {
    const bucket = ms <= least ? 0 : Math.ceil(Math.log(ms / least) / Math.log(growth));
    const at = Math.min(buckets - 1, bucket);
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#count++;
    this.#sum += ms;
    this.#max = Math.max(this.#max, ms);
  }

  /** The value below which the part `q` of them lies, in milliseconds; 0 when there is none. */
  quantile(q: number): number {
    const rank = Math.max(1, Math.ceil(q * this.#count));
    let seen = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      seen += count;
      if (count > 0 && seen >= rank) return Math.min(this.#max, least * growth ** bucket);
    }
    return 0;
  }

  summary(): DurationSummary {
    const round = (ms: number): number => Math.round(ms * 100) / 100;
    return {
      count: this.#count,
      mean: round(this.#count === 0 ? 0 : this.#sum / this.#count),
      p50: round(this.quantile(0.5)),
      p95: round(this.quantile(0.95)),
      p99: round(this.quantile(0.99)),
      max: round(this.#max),
    };
  }
}

/** Milliseconds. */
export interface DurationSummary {
  count: number;
  mean: number;
  p50: number;
  p95: number;
  p99: number;
  max: number;
}
