import { localModel } from '@parley/server/model/local/model';
import type { ModelPart, ModelRequest, PromptMessage } from '@parley/server/model/port';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { greet, last, life, lifeInChinese, model, run, talk } from './model-local-talk.ts';

describe('the local model', () => {
  it('answers in the language of the last message, else in that of the locale', async () => {
    expect(await talk('zh', ['Hello there, I like rivers'])).toEqual([expect.not.stringMatching(/\p{Script=Han}/u)]);
    expect(await talk('en', ['我喜欢下雨天'])).toEqual([expect.stringMatching(/\p{Script=Han}/u)]);
    expect(await talk('zh-CN', ['🙂'])).toEqual([expect.stringMatching(/\p{Script=Han}/u)]);
    expect(await talk('en', ['1984'])).toEqual([expect.not.stringMatching(/\p{Script=Han}/u)]);
    expect(last(await talk('en', ['我叫李明', 'What is my name?']))).toContain('李明');
  });

  it('greets in two messages, and asks for what is missing', async () => {
    const instruction = 'Greet the user. Ask for the missing profile fields: nickname, birth year.';
    const [welcome, question, ...rest] = (await greet('en', instruction)).split('[SPLIT]');
    expect(welcome).toMatch(/^(?:Hello|Welcome)/);
    expect(question).toMatch(/call you.*which year were you born\?/i);
    expect(rest).toEqual([]);
  });

  it('asks for every missing field, in Chinese too, and for none that is known', async () => {
    const all = 'Missing: nickname, birthYear, birthPlace, grewUpPlace, occupation';
    expect(await greet('zh-CN', all)).toMatch(/称呼你.*哪一年出生.*出生在哪里.*长大.*工作/s);
    const some = await greet('en', 'Profile:\nnickname: Ada\nbirth year: 1950\nAsk for: occupation');
    expect(some).toContain('Ada');
    expect(some).toMatch(/your work/);
    expect(some).not.toMatch(/call you|which year/);
  });

  it('opens from the profile when nothing is missing', async () => {
    const opening = await greet('en', 'nickname: Ada\nbirthPlace: Leeds');
    expect(opening).toContain('Ada');
    expect(opening).toContain('Leeds');
    expect(opening).toMatch(/\?$/);
  });

  it('understands bare answers to its own questions', async () => {
    const instruction = 'Ask for nickname, birth year, birth place.';
    const greeting = await greet('en', instruction);
    const messages: PromptMessage[] = [
      { role: 'system', content: instruction },
      { role: 'assistant', content: greeting },
      { role: 'user', content: 'Ada, 1950, Leeds' },
      { role: 'assistant', content: 'Nice to meet you, Ada.' },
      { role: 'user', content: 'What do you know about me?' },
    ];
    const answer = await run({ messages, locale: 'en', purpose: 'answer' });
    expect(answer).toMatch(/Ada.*Leeds.*1950/s);
  });

  it('answers the same to the same conversation', async () => {
    expect(await talk('en', life)).toEqual(await talk('en', life));
    expect(await talk('zh', lifeInChinese)).toEqual(await talk('zh', lifeInChinese));
  });

  it('says something whole to whatever it is told, and quickly', async () => {
    const said = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.constantFrom(
        ...life,
        ...lifeInChinese,
        '',
        ' ',
        '？',
        '[SPLIT]',
        '(((',
        'a'.repeat(32_000),
        '我'.repeat(32_000),
        'I was '.repeat(5_000),
      ),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(said, { minLength: 1, maxLength: 6 }),
        fc.constantFrom('en', 'zh-CN', 'de'),
        async (messages, locale) => {
          for (const answer of await talk(locale, messages)) {
            const bubbles = answer.split('[SPLIT]');
            for (const bubble of bubbles) expect(bubble.trim()).not.toBe('');
            for (const bubble of bubbles) expect(bubble).toMatch(/[.?!。？！”]$/u);
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('streams in small pieces, at its own pace, and stops at once when it is aborted', async () => {
    const controller = new AbortController();
    const stop = new Error('interrupted');
    const slow = localModel({ tokensPerSecond: 100 });
    const request: ModelRequest = { messages: [{ role: 'user', content: 'hello' }], locale: 'en', purpose: 'answer' };
    const began = performance.now();
    const parts: ModelPart[] = [];
    const reading = (async () => {
      for await (const part of slow.stream(request, controller.signal)) {
        parts.push(part);
        if (parts.length === 3) controller.abort(stop);
      }
    })();
    await expect(reading).rejects.toBe(stop);
    expect(parts).toHaveLength(3);
    expect(performance.now() - began).toBeGreaterThanOrEqual(28);
  });

  it('says plainly what it is', () => {
    expect(model).toMatchObject({ name: 'local', model: 'reflective-interviewer' });
    expect(model.description).toMatch(/not a language model/);
  });
});
