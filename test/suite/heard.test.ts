import { bubblesOf, cutAtHeard, further, type SpokenSentence } from '@parley/server/turn/heard';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const words = fc.constantFrom(
  'I ',
  'grew ',
  'up ',
  'in ',
  'a ',
  'small ',
  "mother's ",
  'house. ',
  '我',
  '小时候',
  '住在',
  '北京。',
  '🙂 ',
  '3.14 ',
);
const answer = fc
  .array(
    fc.record({
      text: fc.array(words, { minLength: 1, maxLength: 8 }).map((list) => list.join('')),
      ms: fc.integer({ min: 1, max: 5000 }),
      breaks: fc.boolean(),
    }),
    {
      minLength: 1,
      maxLength: 8,
    },
  )
  .map((list): SpokenSentence[] => {
    let bubble = 0;
    return list.map(({ text, ms, breaks }, sentence) => {
      if (breaks && sentence > 0) bubble++;
      return { sentence, bubble, text, ms };
    });
  });

const whole = (sentences: readonly SpokenSentence[]): string => bubblesOf(sentences).join('');

describe('what was heard', () => {
  it('is a prefix, and with the rest it is the whole answer', () => {
    fc.assert(
      fc.property(answer, fc.nat(10), fc.nat(8000), (sentences, sentence, playedMs) => {
        const { bubbles, unheard } = cutAtHeard(sentences, { sentence, playedMs });
        expect(bubbles.join('') + unheard).toBe(whole(sentences));
      }),
    );
  });

  it('grows with what was played, and ends with everything', () => {
    fc.assert(
      fc.property(answer, fc.nat(10), fc.nat(8000), fc.nat(8000), (sentences, sentence, a, b) => {
        const lengthAt = (playedMs: number) => cutAtHeard(sentences, { sentence, playedMs }).bubbles.join('').length;
        expect(lengthAt(Math.min(a, b))).toBeLessThanOrEqual(lengthAt(Math.max(a, b)));
        const last = sentences.at(-1);
        if (last) expect(cutAtHeard(sentences, { sentence: last.sentence, playedMs: last.ms }).unheard).toBe('');
      }),
    );
  });

  it('never ends within a word or a character', () => {
    fc.assert(
      fc.property(answer, fc.nat(10), fc.nat(8000), (sentences, sentence, playedMs) => {
        const { bubbles, unheard } = cutAtHeard(sentences, { sentence, playedMs });
        const seam = bubbles.join('').slice(-1) + unheard.slice(0, 1);
        expect(seam).not.toMatch(/^[A-Za-z0-9']{2}$/);
        expect(bubbles.join('').isWellFormed()).toBe(true);
      }),
    );
  });

  it('is cut at a word in English and behind a character in Chinese', () => {
    const english = [{ sentence: 0, bubble: 0, text: 'Tell me about your mother.', ms: 1000 }];
    expect(cutAtHeard(english, { sentence: 0, playedMs: 600 }).bubbles).toEqual(['Tell me about ']);
    const chinese = [{ sentence: 0, bubble: 0, text: '请说说您的母亲。', ms: 800 }];
    expect(cutAtHeard(chinese, { sentence: 0, playedMs: 300 })).toEqual({ bubbles: ['请说说'], unheard: '您的母亲。' });
  });

  it('holds nothing whose sound was never sent, whatever is reported', () => {
    const sentences = [
      { sentence: 0, bubble: 0, text: 'One. ', ms: 500 },
      { sentence: 1, bubble: 0, text: 'Two. ', ms: 0 },
      { sentence: 2, bubble: 1, text: 'Three.', ms: 0 },
    ];
    expect(cutAtHeard(sentences, { sentence: 9, playedMs: 9_000 })).toEqual({
      bubbles: ['One. '],
      unheard: 'Two. Three.',
    });
  });

  it('takes the report that tells of most, in any order', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ sentence: fc.nat(5), playedMs: fc.nat(100) }), { minLength: 1 }), (reports) => {
        const forward = reports.reduce<ReturnType<typeof further>>((most, report) => further(most, report), null);
        const backward = reports.reduceRight<ReturnType<typeof further>>((most, report) => further(most, report), null);
        expect(forward).toEqual(backward);
      }),
    );
  });
});
