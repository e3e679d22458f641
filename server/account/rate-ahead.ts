import type { RateLimiterRes } from 'rate-limiter-flexible';

export interface Limiter {
  /** @throws RateLimiterRes when it is one too many */
  consume(key: string): Promise<Pick<RateLimiterRes, 'consumedPoints' | 'msBeforeNext'>>;
}

/** Names whose last count is remembered. */
const most = 10_000;

interface Count {
  /** What the last answer said, and until when that holds. */
  used: number;
  until: number;
  /** Counts whose answers have not come. */
  open: number;
}

/**
 * Counts without a wait for those who are far from the limit: who have used less than half of it in a window that still lasts,
 * with what is under way. So nobody gets over the limit here; a name that others use up meanwhile may, by what was under way.
 */
export class RateAhead {
  readonly #limiter: Limiter;
  readonly #half: number;
  readonly #counts = new Map<string, Count>();

  constructor(limiter: Limiter, points: number) {
    this.#limiter = limiter;
    this.#half = points / 2;
  }

  /** @throws RateLimiterRes when it is one too many */
  async consume(key: string): Promise<void> {
    const count = this.#counts.get(key) ?? { used: 0, until: 0, open: 0 };
    const isFar = performance.now() < count.until && count.used + count.open < this.#half;
    const counting = this.#count(key, count);
    if (isFar) counting.catch(() => {});
    else await counting;
  }

  async #count(key: string, count: Count): Promise<void> {
    this.#counts.set(key, count);
    for (const oldest of this.#counts.keys()) {
      if (this.#counts.size <= most) break;
      this.#counts.delete(oldest);
    }
    count.open++;
    try {
      const { consumedPoints, msBeforeNext } = await this.#limiter.consume(key);
      count.used = consumedPoints;
      count.until = performance.now() + msBeforeNext;
    } catch (error) {
      count.until = 0;
      throw error;
    } finally {
      count.open--;
    }
  }
}
