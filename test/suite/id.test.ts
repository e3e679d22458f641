import { newId } from '@parley/shared/id';
import { idSchema } from '@parley/shared/id-schema';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const version7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const time = fc.integer({ min: 0, max: 2 ** 48 - 1 });

test('a new id is a UUID of version 7 that holds its time', () => {
  fc.assert(
    fc.property(time, (now) => {
      const id = newId(now);
      expect(id).toMatch(version7);
      expect(Number.parseInt(id.replace('-', '').slice(0, 12), 16)).toBe(now);
      expect(idSchema.parse(id)).toBe(id);
    }),
  );
  expect(Math.abs(Number.parseInt(newId().replace('-', '').slice(0, 12), 16) - Date.now())).toBeLessThan(60_000);
});

test('ids sort by time', () => {
  fc.assert(
    fc.property(time, time, (a, b) => {
      fc.pre(a !== b);
      expect(newId(a) < newId(b)).toBe(a < b);
    }),
  );
});

test('ids of one millisecond differ, with Web Crypto and without', () => {
  const some = () => new Set(Array.from({ length: 5000 }, () => newId(1)));
  expect(some().size).toBe(5000);
  const crypto = Object.getOwnPropertyDescriptor(globalThis, 'crypto');
  Object.defineProperty(globalThis, 'crypto', { value: undefined, configurable: true });
  try {
    const ids = some();
    expect(ids.size).toBe(5000);
    for (const id of ids) expect(id).toMatch(version7);
  } finally {
    if (crypto) Object.defineProperty(globalThis, 'crypto', crypto);
  }
});

test('an id from a client is any UUID, in lower case', () => {
  expect(idSchema.parse('0190163D-8694-739B-AEA5-966C26F8AD91')).toBe('0190163d-8694-739b-aea5-966c26f8ad91');
  for (const text of [
    '',
    'x',
    '0190163d8694739baea5966c26f8ad91',
    '0190163d-8694-739b-aea5-966c26f8ad9',
    ' 0190163d-8694-739b-aea5-966c26f8ad91',
  ])
    expect(idSchema.safeParse(text).success).toBe(false);
});
