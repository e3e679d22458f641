import { joinTexts, missingOf, reconcile, type SegmentState } from '@parley/server/voice/reconcile';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const segment = (index: number, text: string): SegmentState => ({
  id: `s${index}`,
  index,
  status: text === '' ? 'silent' : 'transcribed',
  text,
  durationMs: 100,
});
const texts = fc.array(fc.constantFrom('hello there', 'my name is Ada', '', '我叫小明', '住在北京。', 'and so on.'), {
  minLength: 1,
  maxLength: 12,
});

describe('reconciling segments', () => {
  it('gives the same message whatever order they came in', () => {
    fc.assert(
      fc.property(
        texts.chain((list) =>
          fc.tuple(
            fc.constant(list),
            fc.shuffledSubarray(
              list.map((_, i) => i),
              { minLength: list.length },
            ),
          ),
        ),
        ([list, order]) => {
          const inOrder = list.map((text, index) => segment(index, text));
          const shuffled = order.flatMap((index) => inOrder[index] ?? []);
          expect(reconcile(shuffled, list.length - 1)).toEqual(reconcile(inOrder, list.length - 1));
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('waits for exactly what is missing', () => {
    fc.assert(
      fc.property(
        texts.chain((list) => fc.tuple(fc.constant(list), fc.subarray(list.map((_, i) => i)))),
        ([list, here]) => {
          const last = list.length - 1;
          const state = reconcile(
            here.map((index) => segment(index, list[index] ?? '')),
            last,
          );
          const missing = list.map((_, index) => index).filter((index) => !here.includes(index));
          if (missing.length > 0) expect(state).toEqual({ kind: 'incomplete', missing });
          else expect(['complete', 'silent']).toContain(state.kind);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('knows the end only from the last segment', () => {
    expect(reconcile([segment(0, 'a'), segment(2, 'b')], null)).toEqual({ kind: 'recording', missing: [1] });
    expect(missingOf([], null)).toEqual([]);
  });

  it('is not complete while one is being transcribed, and fails when one has failed', () => {
    const stored: SegmentState = { ...segment(1, ''), status: 'stored', text: null };
    expect(reconcile([segment(0, 'a'), stored], 1).kind).toBe('transcribing');
    expect(reconcile([segment(0, 'a'), { ...stored, status: 'failed' }], 1)).toEqual({ kind: 'failed', indexes: [1] });
  });

  it('is silent when nobody spoke in any of them', () => {
    expect(reconcile([segment(0, ''), segment(1, '')], 1)).toEqual({ kind: 'silent', durationMs: 200 });
  });

  it('puts a space between words and none between Chinese characters', () => {
    expect(joinTexts(['I was born', ' in London. ', '', 'In 1950'])).toBe('I was born in London. In 1950');
    expect(joinTexts(['我叫小明。', '住在北京'])).toBe('我叫小明。住在北京');
  });
});
