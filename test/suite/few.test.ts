import { Few } from '@parley/server/live/few';
import fc from 'fast-check';
import { expect, it } from 'vitest';

const elements = Array.from({ length: 4 }, (_, i) => ({ i }));

it('is a set, whatever joins and leaves', () => {
  const steps = fc.array(fc.record({ joins: fc.boolean(), element: fc.constantFrom(...elements) }), { maxLength: 30 });
  fc.assert(
    fc.property(steps, (all) => {
      const few = new Few<object>();
      const set = new Set<object>();
      for (const { joins, element } of all) {
        if (joins) {
          few.add(element);
          set.add(element);
        } else expect(few.delete(element)).toBe(set.delete(element));
        expect(few.size).toBe(set.size);
        expect([...few.all()]).toEqual([...set]);
        expect(few.find((each) => each === element)).toBe(set.has(element) ? element : undefined);
      }
    }),
  );
});

it('passes over who leaves while it is gone through', () => {
  const few = new Few<object>();
  for (const element of elements) few.add(element);
  const met: object[] = [];
  for (const element of few.all()) {
    met.push(element);
    for (const other of elements) if (other !== element) few.delete(other);
  }
  expect(met).toEqual(elements.slice(0, 1));
  expect(few.size).toBe(1);
});
