import { type BubbleMode, BubbleSplitter, mostBubbles, type Piece, separator } from '@parley/server/turn/bubble';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chunked, chunkings } from '../support/chunking.ts';

function split(chunks: readonly string[], mode: BubbleMode): Piece[] {
  const splitter = new BubbleSplitter(mode);
  return [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.end()];
}

function bubblesOf(pieces: readonly Piece[]): string[] {
  const bubbles: string[] = [];
  for (const { bubble, text } of pieces) bubbles[bubble] = (bubbles[bubble] ?? '') + text;
  return bubbles;
}

const whole = (text: string, mode: BubbleMode = 'separator') => bubblesOf(split([text], mode));

const fragment = fc.oneof(
  { weight: 4, arbitrary: fc.constant(separator) },
  fc.constantFrom('[', '[S', '[SPLIT', 'SPLIT]', ']', ' ', '\n', '\n\n', '\n  \n', '  ', '\t'),
  fc.constantFrom(
    '你好。',
    'Hello',
    '- item\n',
    '1. one\n',
    '12',
    '1、甲',
    '| a | b |\n',
    '```js\n',
    '```\n',
    '~~~\n',
    '*',
  ),
);
const text = fc.array(fragment, { maxLength: 40 }).map((parts) => parts.join(''));
const mode = fc.constantFrom<BubbleMode>('separator', 'paragraph', 'none');

describe('bubbles, for any text and any chunking', () => {
  test('concatenate to the text without its separators', () => {
    fc.assert(
      fc.property(text, chunkings, mode, (text, sizes, mode) => {
        const expected = text.split(separator).join('');
        const pieces = split(chunked(text, sizes), mode);
        expect(pieces.map((piece) => piece.text).join('')).toBe(expected.trim() === '' ? '' : expected);
      }),
    );
  });

  test('are the same ones, whatever the chunks', () => {
    fc.assert(
      fc.property(text, chunkings, mode, (text, sizes, mode) => {
        expect(bubblesOf(split(chunked(text, sizes), mode))).toEqual(whole(text, mode));
      }),
    );
  });

  test('are numbered without holes, never blank, and no piece is empty or holds a separator', () => {
    fc.assert(
      fc.property(text, chunkings, mode, (text, sizes, mode) => {
        const pieces = split(chunked(text, sizes), mode);
        let last = 0;
        for (const piece of pieces) {
          expect([last, last + 1]).toContain(piece.bubble);
          last = piece.bubble;
          expect(piece.text).not.toBe('');
          expect(piece.text).not.toContain(separator);
        }
        expect(last).toBeLessThan(mostBubbles);
        for (const bubble of bubblesOf(pieces)) expect(bubble.trim()).not.toBe('');
      }),
    );
  });

  test('come at once: held back is less than a separator', () => {
    fc.assert(
      fc.property(text, chunkings, (text, sizes) => {
        const splitter = new BubbleSplitter('separator');
        let read = '';
        let written = '';
        for (const chunk of chunked(text, sizes)) {
          read += chunk;
          written += splitter
            .push(chunk)
            .map((piece) => piece.text)
            .join('');
          const due = read.split(separator).join('');
          if (written !== '' || due.trim().length >= separator.length)
            expect(due.length - written.length).toBeLessThan(separator.length);
        }
      }),
    );
  });
});

describe('a separator', () => {
  test.each<[string, string[]]>([
    ['One.[SPLIT]Two.', ['One.', 'Two.']],
    ['One.\n[SPLIT]\n\nTwo.', ['One.\n\n\n', 'Two.']],
    ['[SPLIT][SPLIT]One.[SPLIT] [SPLIT]Two.[SPLIT]\n', ['One. ', 'Two.\n']],
    [' [SPLIT] \n', []],
    ['  One. [SPL', ['  One. [SPL']],
    ['', []],
  ])('in %j', (text, expected) => {
    expect(whole(text)).toEqual(expected);
  });

  test('makes one bubble in mode none', () => {
    expect(whole('One.[SPLIT]Two.\n\nThree.', 'none')).toEqual(['One.Two.\n\nThree.']);
  });

  test('does not come about by the removal of another, within a piece', () => {
    expect(split(['[SP[SPLIT]LIT]'], 'none').map((piece) => piece.text)).toEqual(['[SP', 'LIT]']);
  });

  test(`makes no more than ${mostBubbles} bubbles`, () => {
    const bubbles = whole(Array.from({ length: 30 }, (_, i) => `${i}.`).join(separator));
    expect(bubbles.length).toBe(mostBubbles);
    expect(bubbles.at(-1)).toBe('19.20.21.22.23.24.25.26.27.28.29.');
  });

  test('is all that is waited for', () => {
    const splitter = new BubbleSplitter('separator');
    expect(splitter.push('Hello [SP')).toEqual([{ bubble: 0, text: 'Hello ' }]);
    expect(splitter.push('am]')).toEqual([{ bubble: 0, text: '[SPam]' }]);
    expect(splitter.push('[SPLIT')).toEqual([]);
    expect(splitter.push(']')).toEqual([]);
    expect(splitter.push('x')).toEqual([{ bubble: 1, text: 'x' }]);
    expect(splitter.end()).toEqual([]);
  });
});

describe('a blank line, in mode paragraph', () => {
  test.each<[string, string[]]>([
    ['One.\n\nTwo.\n \nThree.\nFour.', ['One.\n\n', 'Two.\n \n', 'Three.\nFour.']],
    ['- a\n\n- b\n\n  more of b\n\nText.', ['- a\n\n- b\n\n  more of b\n\n', 'Text.']],
    ['1. a\n\n2. b\n\n12 men', ['1. a\n\n2. b\n\n', '12 men']],
    ['1、甲\n\n2、乙', ['1、甲\n\n2、乙']],
    ['| a |\n\n| b |', ['| a |\n\n| b |']],
    ['```\na\n\nb\n```\n\nText.', ['```\na\n\nb\n```\n\n', 'Text.']],
    ['~~~\na\n```\n\nb', ['~~~\na\n```\n\nb']],
    ['**Bold**\n\n**Bold**', ['**Bold**\n\n', '**Bold**']],
    ['One.\n[SPLIT]\nTwo.\n\n-', ['One.\n\n', 'Two.\n\n', '-']],
  ])('in %j', (text, expected) => {
    expect(whole(text, 'paragraph')).toEqual(expected);
  });

  test('does not delay the text of a line', () => {
    const splitter = new BubbleSplitter('paragraph');
    expect(splitter.push('A')).toEqual([{ bubble: 0, text: 'A' }]);
    expect(splitter.push('b\n\n')).toEqual([{ bubble: 0, text: 'b\n\n' }]);
    expect(splitter.push('C')).toEqual([{ bubble: 1, text: 'C' }]);
  });
});
