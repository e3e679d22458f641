import { once } from 'node:events';
import { networkOf, type RateLimits, Rates } from '@parley/server/account/rate';
import { RateAhead } from '@parley/server/account/rate-ahead';
import { RateWindow } from '@parley/server/account/rate-window';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, inject, it, onTestFinished, vi } from 'vitest';

const none: RateLimits = { userPerSecond: 0, userBurst: 0, addressPerSecond: 0, turnsPerMinute: 0 };
const ann = { tenant: 'acme', userId: 'ann' };

/** How many of `count` calls were let through, and what the first refusal said. */
async function tally(count: number, call: () => Promise<void>) {
  const results = await Promise.allSettled(Array.from({ length: count }, call));
  const refused = results.filter((result) => result.status === 'rejected').map(({ reason }) => reason);
  for (const reason of refused) expect(reason).toMatchObject({ reason: 'RATE_LIMITED' });
  return { passed: count - refused.length, retryAfterMs: refused[0]?.details?.retryAfterMs };
}

async function fromAddress(rates: Rates, address: string): Promise<void> {
  const refused = rates.address(address);
  if (refused) throw refused;
}

describe('rates', () => {
  it('let a burst through, then refuse and say when to come back', async () => {
    const rates = new Rates({ ...none, userPerSecond: 5, userBurst: 20 });
    const { passed, retryAfterMs } = await tally(30, () => rates.call(ann));
    expect(passed).toBe(20);
    // 20 at 5 a second.
    expect(retryAfterMs).toBeGreaterThan(0);
    expect(retryAfterMs).toBeLessThanOrEqual(4000);
  });

  it('let through again after as long as they said', async () => {
    const rates = new Rates({ ...none, userPerSecond: 50, userBurst: 5 });
    const { retryAfterMs } = await tally(60, () => rates.call(ann));
    await new Promise((resolve) => setTimeout(resolve, retryAfterMs + 5));
    await expect(rates.call(ann)).resolves.toBeUndefined();
  });

  it('count each user and each address for itself', async () => {
    const rates = new Rates({ ...none, userPerSecond: 1, userBurst: 1, addressPerSecond: 1, turnsPerMinute: 1 });
    const users = [
      ann,
      { tenant: 'acme', userId: 'bob' },
      { tenant: 'other', userId: 'ann' },
      { tenant: 'a","b', userId: '' },
    ];
    for (const user of users) {
      expect(await tally(2, () => rates.call(user))).toMatchObject({ passed: 1 });
      expect(await tally(2, () => rates.turn(user))).toMatchObject({ passed: 1 });
    }
    for (const address of ['192.0.2.1', '192.0.2.2', '2001:db8::1', '2001:db8:0:1::1']) {
      expect(await tally(2, () => fromAddress(rates, address))).toMatchObject({ passed: 1 });
    }
    // Another address of a host that has been counted.
    expect(await tally(1, () => fromAddress(rates, '2001:db8::ffff:1'))).toMatchObject({ passed: 0 });
  });

  it('are off at 0', async () => {
    const rates = new Rates(none);
    expect(await tally(500, () => rates.call(ann))).toMatchObject({ passed: 500 });
    expect(await tally(500, () => rates.turn(ann))).toMatchObject({ passed: 500 });
    expect(await tally(500, () => fromAddress(rates, '192.0.2.1'))).toMatchObject({ passed: 500 });
  });
});

describe('a window', () => {
  it('lets a name come as often as the limit says, and again in the next one', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const window = new RateWindow(2, 1_000);
    expect([window.count('a'), window.count('a'), window.count('b')]).toEqual([0, 0, 0]);
    vi.advanceTimersByTime(400);
    expect([window.count('a'), window.count('b')]).toEqual([600, 0]);
    vi.advanceTimersByTime(600);
    expect(window.count('a')).toBe(0);
    expect(window.size).toBe(1);
  });

  it('holds no more names than it may, whoever comes (guard: the oldest count is given up)', () => {
    const window = new RateWindow(1, 60_000, 100);
    for (let i = 0; i < 10_000; i++) window.count(`10.0.${i >> 8}.${i & 255}`);
    expect(window.size).toBe(100);
    expect(window.count('10.0.39.15')).toBeGreaterThan(0);
  });
});

describe('a count that is ahead of its answer', () => {
  /** A limit of 10 in a minute, whose answers come when `answer` is called. */
  function counted() {
    const used = new Map<string, number>();
    const held: (() => void)[] = [];
    const count = (key: string, points: number) => {
      const consumedPoints = (used.get(key) ?? 0) + points;
      used.set(key, consumedPoints);
      if (consumedPoints > 10) throw new RangeError('one too many');
      return { consumedPoints, msBeforeNext: 60_000 };
    };
    const ahead = new RateAhead(
      {
        async consume(key) {
          await new Promise<void>((resolve) => held.push(resolve));
          return count(key, 1);
        },
      },
      10,
    );
    return { ahead, answer: () => held.shift()?.(), others: (points: number) => count('ann', points) };
  }

  async function isWaiting(counting: Promise<void>): Promise<boolean> {
    const later = new Promise<'later'>((resolve) => setImmediate(resolve, 'later'));
    return (await Promise.race([counting, later])) === 'later';
  }

  it('is made for a name far from its limit (guard: what is under way counts)', async () => {
    const { ahead, answer } = counted();
    const first = ahead.consume('ann');
    expect(await isWaiting(first)).toBe(true);
    answer();
    await first;
    for (let used = 1; used < 5; used++) expect(await isWaiting(ahead.consume('ann'))).toBe(false);
    const sixth = ahead.consume('ann');
    expect(await isWaiting(sixth)).toBe(true);
    for (let i = 0; i < 5; i++) answer();
    await sixth;
    expect(await isWaiting(ahead.consume('bob'))).toBe(true);
  });

  it('is not made near the limit, and one that others have used up is refused from the next on (guard: the half)', async () => {
    const { ahead, answer, others } = counted();
    const first = ahead.consume('ann');
    answer();
    await first;
    others(9);
    await ahead.consume('ann');
    answer();
    await new Promise(setImmediate);
    const refused = ahead.consume('ann');
    answer();
    await expect(refused).rejects.toThrow(RangeError);
    const next = ahead.consume('bob');
    answer();
    await next;
    for (let used = 1; used < 5; used++) {
      await ahead.consume('bob');
      answer();
      await new Promise(setImmediate);
    }
    expect(await isWaiting(ahead.consume('bob'))).toBe(true);
  });
});

it.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:0db8:0001::6', '2001:db8:1:0'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
  ['::1', '0:0:0:0'],
])('the network of %s is %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});

describe('turns with Redis', () => {
  const opened: Redis[] = [];
  const connect = (url: string) => {
    const redis = new Redis(url, { retryStrategy: () => null, maxRetriesPerRequest: 0 });
    redis.on('error', () => {});
    opened.push(redis);
    return redis;
  };
  const shared = inject('redis');
  const url = 'url' in shared ? shared.url : '';
  // The run's Redis is everyone's: a user of this test's own.
  const own = () => ({ tenant: 'rate-test', userId: crypto.randomUUID() });
  afterEach(() => {
    for (const redis of opened.splice(0)) redis.disconnect();
  });

  it.runIf(url)('are counted on all replicas together', async () => {
    const user = own();
    const connections = [connect(url), connect(url)];
    await Promise.all(connections.map((redis) => once(redis, 'ready')));
    const replicas = connections.map((redis) => new Rates({ ...none, turnsPerMinute: 10 }, redis));
    let next = 0;
    const { passed, retryAfterMs } = await tally(30, async () => replicas[next++ % 2]?.turn(user));
    expect(passed).toBe(10);
    expect(retryAfterMs).toBeLessThanOrEqual(60_000);
  });

  it.runIf(url)('are counted here, soon, while Redis does not answer', async () => {
    const user = own();
    const redis = connect(url);
    await once(redis, 'ready');
    const rates = new Rates({ ...none, turnsPerMinute: 10 }, redis);
    await rates.turn(user);
    // This connection hears nothing for a minute, as from a Redis that was stopped.
    const waiting = redis.blpop(`rate-test:${user.userId}`, 60).catch(() => {});
    const from = performance.now();
    expect((await tally(30, () => rates.turn(user))).passed).toBe(10);
    expect(performance.now() - from).toBeLessThan(5000);
    redis.disconnect();
    await waiting;
  });

  it('are counted here while there is no Redis', async () => {
    const user = own();
    const rates = new Rates({ ...none, turnsPerMinute: 10 }, connect('redis://127.0.0.1:1'));
    expect((await tally(30, () => rates.turn(user))).passed).toBe(10);
  });
});
