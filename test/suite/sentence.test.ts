import type { Piece } from '@parley/server/turn/bubble';
import { type Sentence, SentenceSplitter } from '@parley/server/turn/sentence';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chunked, chunkings } from '../support/chunking.ts';

function split(pieces: readonly Piece[], locale = 'en'): Sentence[] {
  const splitter = new SentenceSplitter({ locale });
  return [...pieces.flatMap((piece) => splitter.push(piece)), ...splitter.end()];
}

const texts = (text: string, locale = 'en') => split([{ bubble: 0, text }], locale).map((sentence) => sentence.text);

/** Parts of answers in which ends of sentences are easily got wrong. */
const fragment = fc.oneof(
  fc.constantFrom(
    ...['Hello there. ', 'Is it? ', 'Well... I think', 'Wait… what', '"Hi!" she said. ', '(See below.) ', 'a, b, c. '],
    ...[
      '你好。',
      '是吗？',
      '“真的！”他说',
      '我是……好的',
      '，因为',
      '；所以',
      '：',
      '（好。）',
      '天气很好',
      '！！！',
      '。”',
    ],
    ...[
      '3.14',
      '1,000.50',
      'v1.2.3. ',
      '$5.',
      ' Dr. Smith',
      ' e.g. this',
      ' U.S. law',
      ' J. R. Lee',
      'p.m. ',
      ' No. 5',
      'etc.',
    ],
    ...[
      'https://a.example/b?c=d. ',
      'me@a.example, ',
      'a.txt',
      'Node.js ',
      '10:30 ',
      '1. one\n',
      '- two\n',
      '\n\n',
      '2. 二\n',
    ],
    ...[
      '```js\nlet a = 1; // Hi. There.\n\n',
      '```\n',
      '`a.b()`. ',
      '~~~\n',
      '> 1. ```\n',
      '**Bold.** ',
      '*',
      '"',
      "'",
      '_',
    ],
    ...['🎉', '👩‍👩‍👧', '🇨🇳', '\ud83c', ' ', '\n', '\t', '.', '..', '!', '?', '…', 'a', '字'],
  ),
  fc
    .constantFrom('word ', '字', 'x', '!', ' ', '字，', 'word, ')
    .chain((text) => fc.integer({ min: 50, max: 700 }).map((count) => text.repeat(count))),
  fc.string({ unit: 'grapheme', maxLength: 8 }),
);
const text = fc.array(fragment, { maxLength: 30 }).map((parts) => parts.join(''));
const bubbles = fc.array(text, { minLength: 1, maxLength: 3 });
const locale = fc.constantFrom('en', 'zh-CN', 'ja', 'de');

const inChunks = (bubbles: readonly string[], sizes: readonly number[]): Piece[] =>
  bubbles.flatMap((text, bubble) => chunked(text, sizes).map((chunk) => ({ bubble, text: chunk })));
const inOne = (bubbles: readonly string[]): Piece[] => bubbles.map((text, bubble) => ({ bubble, text }));

describe('sentences, for any answer and any chunking', () => {
  test('are the same ones, whatever the chunks', () => {
    fc.assert(
      fc.property(bubbles, chunkings, locale, (bubbles, sizes, locale) => {
        expect(split(inChunks(bubbles, sizes), locale)).toEqual(split(inOne(bubbles), locale));
      }),
      { numRuns: 300 },
    );
  });

  test('concatenate to each bubble, are numbered without holes, and none is empty or blank', () => {
    fc.assert(
      fc.property(bubbles, chunkings, (bubbles, sizes) => {
        const sentences = split(inChunks(bubbles, sizes));
        expect(sentences.map((sentence) => sentence.sentence)).toEqual(sentences.map((_, i) => i));
        for (const [bubble, text] of bubbles.entries()) {
          const own = sentences.filter((sentence) => sentence.bubble === bubble);
          expect(own.map((sentence) => sentence.text).join('')).toBe(text);
          if (text.trim() !== '') for (const sentence of own) expect(sentence.text.trim()).not.toBe('');
          else expect(own.length).toBe(text === '' ? 0 : 1);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('are none too long: 300 Latin or 120 Chinese characters and what closes them', () => {
    fc.assert(
      fc.property(text, chunkings, (text, sizes) => {
        for (const sentence of split(inChunks([text], sizes))) {
          let weight = 0;
          for (const char of sentence.text.trim()) weight += /[\u2e80-\uffef]/u.test(char) ? 5 : 2;
          // Full stops and quotes in a row belong to what they end, until they are too many themselves.
          expect(weight).toBeLessThanOrEqual(
            /[!.?…。！？'"”’)）*_`~\p{Extended_Pictographic}]{5}/u.test(sentence.text) ? 1210 : 640,
          );
        }
      }),
    );
  });
});

describe('a sentence is out', () => {
  test('within its length, however long the spaces in it are', () => {
    const words = 'word '.repeat(55);
    for (const sentence of texts(`${words}him, "${' '.repeat(700)}a${' '.repeat(700)}b`))
      expect(sentence.trim().length).toBeLessThanOrEqual(300);
  });

  test('as soon as what follows is not part of its end', () => {
    const splitter = new SentenceSplitter({ locale: 'en' });
    const push = (text: string) => splitter.push({ bubble: 0, text }).map((sentence) => sentence.text);
    expect(push('Hello.')).toEqual([]);
    expect(push(' ')).toEqual([]);
    expect(push('H')).toEqual(['Hello. ']);
    expect(push('ow are you?"')).toEqual([]);
    expect(push(' \nF')).toEqual(['How are you?" \n']);
    expect(push('ine。好')).toEqual(['Fine。']);
  });

  test('when its bubble ends', () => {
    const splitter = new SentenceSplitter({ locale: 'en' });
    expect(splitter.push({ bubble: 0, text: 'Dr. ' })).toEqual([]);
    expect(splitter.push({ bubble: 1, text: 'Who' })).toEqual([{ sentence: 0, bubble: 0, text: 'Dr. ' }]);
    expect(splitter.end()).toEqual([{ sentence: 1, bubble: 1, text: 'Who' }]);
  });

  test('early, when it is the first and long enough for a clause', () => {
    expect(
      texts('I thought, therefore I was, and so on, and on it goes. A, b, c, d, e, f, g, h, i, j, k, l, m.'),
    ).toEqual([
      'I thought, therefore I was, ',
      'and so on, and on it goes. ',
      'A, b, c, d, e, f, g, h, i, j, k, l, m.',
    ]);
    expect(texts('我觉得，今天的天气非常的好，我们可以出去走走，去吗？好，走。', 'zh')).toEqual([
      '我觉得，今天的天气非常的好，',
      '我们可以出去走走，去吗？',
      '好，走。',
    ]);
    expect(texts('It was sold for all of $1,000,000 at 10:30 in the morning')).toEqual([
      'It was sold for all of $1,000,000 at 10:30 in the morning',
    ]);
  });

  test('in linear time', () => {
    const long = 'word! '.repeat(20_000) + ' '.repeat(100_000) + '!'.repeat(100_000) + '字'.repeat(100_000);
    const started = performance.now();
    const sentences = split(inChunks([long], [7]));
    expect(sentences.length).toBeGreaterThan(20_000);
    expect(performance.now() - started).toBeLessThan(20_000);
  });
});

describe('sentences of', () => {
  test.each<[string, string[]]>([
    ['Hello. How are you? Fine! Ok', ['Hello. ', 'How are you? ', 'Fine! ', 'Ok']],
    ['He paid 3.14 or 1,000.50. Then v1.2.3. Now', ['He paid 3.14 or 1,000.50. ', 'Then v1.2.3. ', 'Now']],
    ['Dr. Smith and Mr. Li met Prof. X. They', ['Dr. Smith and Mr. Li met Prof. X. They']],
    ['Mrs. Lee left. They stayed.', ['Mrs. Lee left. ', 'They stayed.']],
    ['Say e.g. this, i.e. that. Good.', ['Say e.g. this, i.e. that. ', 'Good.']],
    ['The U.S. Senate, at 5 p.m. sharp. J. R. R. Lee.', ['The U.S. Senate, at 5 p.m. sharp. ', 'J. R. R. Lee.']],
    ['See No. 5 of Jan. 3. No. Never.', ['See No. 5 of Jan. 3. ', 'No. ', 'Never.']],
    ['Well... I know. so... what… then', ['Well... ', 'I know. so... what… then']],
    [
      'Open a.txt. Ask me@b.example. Go to https://c.example/d?e=f. Bye',
      ['Open a.txt. ', 'Ask me@b.example. ', 'Go to https://c.example/d?e=f. ', 'Bye'],
    ],
    ['"Why?" he asked. "Because." (Really.) Yes', ['"Why?" he asked. ', '"Because." ', '(Really.) ', 'Yes']],
    ['**Hi.** *You.* __Me!__ OK', ['**Hi.** ', '*You.* ', '__Me!__ ', 'OK']],
    ['Great!🎉 More? 👍🏽 Yes', ['Great!🎉 ', 'More? ', '👍🏽 Yes']],
    ['Things:\n1. One. Two\n2. Three\n\n- four\n', ['Things:\n', '1. One. ', 'Two\n', '2. Three\n\n', '- four\n']],
    [' \n Hi. There \n', [' \n Hi. ', 'There \n']],
  ])('English: %j', (text, expected) => {
    expect(texts(text)).toEqual(expected);
  });

  test.each<[string, string[]]>([
    ['你好。我是小明！你呢？好', ['你好。', '我是小明！', '你呢？', '好']],
    ['“真的？”他说。“真的！”，我说。', ['“真的？”', '他说。', '“真的！”，我说。']],
    ['他说。"好的。"她走了。', ['他说。', '"好的。"', '她走了。']],
    ['我想……好吧。……嗯', ['我想……', '好吧。……', '嗯']],
    ['（好。）「行！」『走。』去', ['（好。）', '「行！」', '『走。』', '去']],
    ['**好的。**下一句。**再一句**', ['**好的。**', '下一句。', '**再一句**']],
    ['真的吗？！\n1. 一。二\n2、三', ['真的吗？！\n', '1. 一。', '二\n', '2、三']],
    ['圆周率是3.14。价格1,000.50元！', ['圆周率是3.14。', '价格1,000.50元！']],
  ])('Chinese: %j', (text, expected) => {
    expect(texts(text, 'zh')).toEqual(expected);
  });

  test.each<[string, string[]]>([
    ['我用Node.js。It works! 好的. 你呢', ['我用Node.js。', 'It works! ', '好的. ', '你呢']],
    ['Hello!你好。Hello.你好', ['Hello!', '你好。', 'Hello.', '你好']],
    ['看https://a.example/b。Dr. 王来了。', ['看https://a.example/b。', 'Dr. 王来了。']],
  ])('mixed: %j', (text, expected) => {
    expect(texts(text, 'zh')).toEqual(expected);
  });

  test('code: a block is apart and marked, and its full stops end nothing', () => {
    const code = '```js\nlet a = 1; // Hi. There.\n\nb();\n```\n';
    expect(split([{ bubble: 0, text: `Look. Here:\n${code}Done. \`a. B\` ok` }])).toEqual([
      { sentence: 0, bubble: 0, text: 'Look. ' },
      { sentence: 1, bubble: 0, text: 'Here:\n' },
      { sentence: 2, bubble: 0, text: code, code: true },
      { sentence: 3, bubble: 0, text: 'Done. ' },
      { sentence: 4, bubble: 0, text: '`a. ' },
      { sentence: 5, bubble: 0, text: 'B` ok' },
    ]);
    const marked = (text: string) =>
      split([{ bubble: 0, text }]).map((sentence) => [sentence.text, sentence.code ?? false]);
    expect(marked('- ```\n  a. B\n  ```\n- Hi.')).toEqual([
      ['- ```\n  a. B\n  ```\n', true],
      ['- Hi.', false],
    ]);
    expect(marked('```a. B``` is. It')).toEqual([
      ['```a. B``` is. ', false],
      ['It', false],
    ]);
    expect(marked('````\n```\nA. B\n````\nC.')).toEqual([
      ['````\n```\nA. B\n````\n', true],
      ['C.', false],
    ]);
  });

  test('long code: cut between lines', () => {
    const line = 'call(a. B);\n';
    const sentences = split([{ bubble: 0, text: `\`\`\`\n${line.repeat(60)}\`\`\`\nHi` }]);
    expect(sentences.length).toBeGreaterThan(3);
    for (const { text } of sentences.slice(0, -1)) expect(text.endsWith('\n')).toBe(true);
    expect(sentences.map(({ code }) => code ?? false)).toEqual(sentences.map((_, i) => i < sentences.length - 1));
  });

  test('too many words: cut at clauses, else at words', () => {
    const clauses = texts(`Oh. ${'and then one more thing, '.repeat(40)}`).slice(1);
    for (const text of clauses) expect(text).toMatch(/^and.*, $/);
    for (const text of texts('word '.repeat(300))) expect(text).toMatch(/^(word )+$/);
    const chinese = texts('我们今天去公园散步'.repeat(40), 'zh');
    expect(chinese.length).toBeGreaterThan(2);
    // Not within 公园.
    for (const text of chinese) expect(text).not.toMatch(/^园|公$/);
  });

  test('an unknown locale', () => {
    expect(texts('Hi. You', 'en-us-us')).toEqual(['Hi. ', 'You']);
  });
});
