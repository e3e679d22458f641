import { speakable } from '@parley/server/turn/speakable';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

describe('what is read aloud', () => {
  test.each<[string, string]>([
    ['Hello, world! ', 'Hello, world!'],
    ['**Bold** and *light* and __strong__ and ~~gone~~.', 'Bold and light and strong and gone.'],
    ['## A title\n', 'A title'],
    ['- one\n', 'one'],
    ['* [x] done', 'done'],
    ['1. First', '1. First'],
    ['> quoted\n> again', 'quoted again'],
    ['See [the guide](https://a.example/b_(c)) now.', 'See the guide now.'],
    ['See [the guide](https://a.example "title").', 'See the guide.'],
    ['![A cat](cat.png) sleeps.', 'A cat sleeps.'],
    ['Go to https://a.example/b?c=d#e. Then', 'Go to. Then'],
    ['请看https://a.example/b。然后', '请看。然后'],
    ['<https://a.example> or www.a.example', 'or'],
    ['Call `run()` in snake_case, 2 * 3.', 'Call run() in snake_case, 2 3.'],
    ['```js\nlet a;\n```\nDone', 'Done'],
    ['```js\nlet a;', ''],
    ['Great! 🎉👩‍👩‍👧👍🏽🇨🇳 Next', 'Great! Next'],
    ['🎉', ''],
    ['---', ''],
    ['| a | b |\n|---|---|\n', 'a, b'],
    ['I <b>am</b> 3 < 4 > 2.', 'I am 3 < 4 > 2.'],
    ['3.14 © 2020, 50% of $5 & more', '3.14 © 2020, 50% of $5 & more'],
    ['你好，**世界**！😀', '你好，世界！'],
    ['\\*not bold\\*', 'not bold'],
    ['**Half a bold', 'Half a bold'],
    [' \n', ''],
  ])('of %j', (text, expected) => {
    expect(speakable(text)).toBe(expected);
  });

  test('has every letter of text without markup', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[\p{L}\p{N}]{1,8}$/u), { maxLength: 20 }), (words) => {
        expect(speakable(words.join(' '))).toBe(words.join(' '));
      }),
    );
  });

  test('is found in linear time', () => {
    const started = performance.now();
    for (const part of ['[', '![', '`', '*', '_', '|', '| ', '<a ', '>', '- ', ' ', 'www.', '(', '[a](', '\\', '~~~'])
      speakable(part.repeat(2000));
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});
