import { Recent } from '@parley/server/account/recent';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval'] }));
afterEach(() => void vi.useRealTimers());

it('remembers for as long as it was told, counted from when it was good', () => {
  const recent = new Recent<string>(10, 2_000);
  const from = performance.now();
  vi.advanceTimersByTime(500);
  recent.put('a', 'A', from);
  vi.advanceTimersByTime(1_499);
  expect(recent.get('a')).toBe('A');
  vi.advanceTimersByTime(1);
  expect(recent.get('a')).toBeUndefined();
});

it('lets go of what is no longer good, also when nobody asks any more: its timer ends once nothing is left', () => {
  const recent = new Recent<object>(10, 2_000);
  for (let i = 0; i < 5; i++) {
    recent.put(`name ${i}`, {}, performance.now());
    vi.advanceTimersByTime(300);
  }
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(4_000);
  expect(vi.getTimerCount()).toBe(0);
});

it('holds no more than its size: the oldest go first', () => {
  const recent = new Recent<number>(3, 2_000);
  for (let i = 0; i < 5; i++) recent.put(String(i), i, performance.now());
  expect(Array.from({ length: 5 }, (_, i) => recent.get(String(i)))).toEqual([undefined, undefined, 2, 3, 4]);
  recent.drop((value) => value === 3);
  expect(recent.get('3')).toBeUndefined();
  recent.close();
  expect(recent.get('4')).toBeUndefined();
  expect(vi.getTimerCount()).toBe(0);
});
