import { isIPv6 } from 'node:net';
import { ParleyError } from '@parley/shared/reason';
import type { Redis } from 'ioredis';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { type Limiter, RateAhead } from './rate-ahead.ts';
import { RateWindow } from './rate-window.ts';

/** 0 is no limit. */
export interface RateLimits {
  userPerSecond: number;
  /** Calls that a user may make at once. */
  userBurst: number;
  /** Calls and handshakes of one network. */
  addressPerSecond: number;
  turnsPerMinute: number;
}

/** How long Redis may take to count, and how long it is left alone after it did not. Milliseconds. */
const patience = { answer: 200, pause: 5000 };

/** Counts on all replicas together; in this one's memory while Redis does not answer, so that a limit never opens up. */
function shared(redis: Redis, options: { keyPrefix: string; points: number; duration: number }): Limiter {
  const local = new RateLimiterMemory(options);
  const limiter = new RateLimiterRedis({
    ...options,
    storeClient: redis,
    rejectIfRedisNotReady: true,
    insuranceLimiter: local,
  });
  let pausedUntil = 0;
  return {
    async consume(key) {
      if (performance.now() < pausedUntil) return local.consume(key);
      const late = Promise.withResolvers<'late'>();
      const timer = setTimeout(() => late.resolve('late'), patience.answer);
      try {
        const counted = limiter.consume(key);
        const first = await Promise.race([counted, late.promise]);
        if (first !== 'late') return first;
        pausedUntil = performance.now() + patience.pause;
        counted.catch(() => {});
      } finally {
        clearTimeout(timer);
      }
      return await local.consume(key);
    },
  };
}

/** One network is one address: a host usually has a whole /64 of IPv6 to choose from. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(address)) return address;
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail ? tail.split(':') : [];
  const groups =
    tail === undefined ? left : [...left, ...Array(Math.max(0, 8 - left.length - right.length)).fill('0'), ...right];
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}

/**
 * How often users and addresses may call. Calls are counted by each replica for itself, since they protect it and must cost
 * no round trip; turns are counted in Redis where there is one, which only those wait for who come near the limit.
 */
export class Rates {
  readonly #calls: Limiter | undefined;
  readonly #addresses: RateWindow | undefined;
  readonly #turns: Limiter | RateAhead | undefined;

  constructor(limits: RateLimits, redis?: Redis) {
    const { userPerSecond, addressPerSecond, turnsPerMinute } = limits;
    if (userPerSecond > 0) {
      // As many at once as the burst, and as many in the long run as the rate.
      const points = Math.max(limits.userBurst, userPerSecond);
      this.#calls = new RateLimiterMemory({ points, duration: points / userPerSecond });
    }
    if (addressPerSecond > 0) this.#addresses = new RateWindow(addressPerSecond, 1000);
    if (turnsPerMinute > 0) {
      const options = { keyPrefix: 'parley:rate:turn', points: turnsPerMinute, duration: 60 };
      this.#turns = redis ? new RateAhead(shared(redis, options), turnsPerMinute) : new RateLimiterMemory(options);
    }
  }

  /** Counts a call of a user. @throws ParleyError RATE_LIMITED with `details.retryAfterMs` */
  async call(user: { tenant: string; userId: string }): Promise<void> {
    await this.#count(this.#calls, keyOf(user));
  }

  /** Counts a turn that a user begins. @throws ParleyError RATE_LIMITED with `details.retryAfterMs` */
  async turn(user: { tenant: string; userId: string }): Promise<void> {
    await this.#count(this.#turns, keyOf(user));
  }

  /** Counts a call or a handshake from an address. Answers RATE_LIMITED with `details.retryAfterMs` when it is one too many. */
  address(address: string): ParleyError | undefined {
    const retryAfterMs = this.#addresses?.count(networkOf(address)) ?? 0;
    return retryAfterMs > 0 ? tooOften(retryAfterMs) : undefined;
  }

  async #count(limiter: Limiter | RateAhead | undefined, key: string): Promise<void> {
    try {
      await limiter?.consume(key);
    } catch (cause) {
      if (!(cause instanceof RateLimiterRes)) throw cause;
      throw tooOften(cause.msBeforeNext);
    }
  }
}

function tooOften(ms: number): ParleyError {
  return new ParleyError('RATE_LIMITED', { details: { retryAfterMs: Math.max(1, Math.ceil(ms)) } });
}

/** No two users share one, whatever is in their ids. */
function keyOf({ tenant, userId }: { tenant: string; userId: string }): string {
  return JSON.stringify([tenant, userId]);
}
