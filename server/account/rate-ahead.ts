import type { RateLimiterRes } from 'rate-limiter-flexible';

export interface Limiter {
  /** @throws RateLimiterRes when it is one too many */
  consume(key: string): Promise<Pick<RateLimiterRes, 'consumedPoints' | 'msBeforeNext'>>;
}

/** Names whose last count is remembered. */
const most = 10_000;

/**
 * Counts without a wait for those who are far from the limit: whose last count, of a window that still lasts, was below half of
 * it. Only one count of a name is ahead of its answer, so that a name which others use up meanwhile gets at most one over the
 * limit here.
 */
export class RateAhead {
  readonly #limiter: Limiter;
  readonly #half: number;
  readonly #counts = new Map<string, { used: number; until: number }>();

  constructor(limiter: Limiter, points: number) {
    this.#limiter = limiter;
    this.#half = points / 2;
  }

  /** @throws RateLimiterRes when it is one too many */
  async consume(key: string): Promise<void> {
    const last = this.#counts.get(key);
    // The next one waits until this one has been answered.
    this.#counts.delete(key);
    const counting = this.#count(key);
    if (last && last.used < this.#half && performance.now() < last.until) counting.catch(() => {});
    else await counting;
  }

  async #count(key: string): Promise<void> {
    const { consumedPoints, msBeforeNext } = await this.#limiter.consume(key);
    this.#counts.set(key, { used: consumedPoints, until: performance.now() + msBeforeNext });
    if (this.#counts.size <= most) return;
    for (const oldest of this.#counts.keys()) {
      this.#counts.delete(oldest);
      return;
    }
  }
}
