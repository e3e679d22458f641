import { observable as native } from '@parley/client/native/observable';
import { observable as original } from '@trpc/server/observable';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const action = fc.oneof(
  fc.record({ do: fc.constant('next' as const), value: fc.integer() }),
  fc.constant({ do: 'error' as const }),
  fc.constant({ do: 'complete' as const }),
);
const story = fc.record({
  begin: fc.array(action, { maxLength: 4 }),
  later: fc.array(fc.oneof(action, fc.constant({ do: 'leave' as const })), { maxLength: 6 }),
});
type Story = typeof story extends fc.Arbitrary<infer Value> ? Value : never;

/** What a subscriber is told, and when the source is left. */
function told(observable: typeof native, { begin, later }: Story): string[] {
  const log: string[] = [];
  let play: (each: Story['begin'][number]) => void = () => {};
  const { unsubscribe } = observable<number, string>((observer) => {
    play = (each) =>
      each.do === 'next'
        ? observer.next(each.value)
        : each.do === 'error'
          ? observer.error('why')
          : observer.complete();
    for (const each of begin) play(each);
    return () => void log.push('left');
  }).subscribe({
    next: (value) => void log.push(String(value)),
    error: (failure) => void log.push(failure),
    complete: () => void log.push('complete'),
  });
  for (const each of later) {
    if (each.do === 'leave') unsubscribe();
    else play(each);
  }
  return log;
}

test('what stands in for the observable in React Native tells what it does', () => {
  fc.assert(
    fc.property(story, (each) => {
      expect(told(native, each)).toEqual(told(original, each));
    }),
    { numRuns: 500 },
  );
});
