import { localModel } from '@parley/server/model/local/model';
import type { ModelRequest, PromptMessage } from '@parley/server/model/port';
import { expect } from 'vitest';

export const model = localModel({ tokensPerSecond: 0 });

/** One answer, which must be well-formed. */
export async function run(request: ModelRequest): Promise<string> {
  const parts = await Array.fromAsync(model.stream(request, new AbortController().signal));
  expect(parts.at(-1)).toEqual({ type: 'finish', reason: 'stop' });
  expect(parts.at(-2)).toMatchObject({ type: 'usage', tokensOut: parts.length - 2 });
  return parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
}

/** Holds a conversation and gives the interviewer's answers. */
export async function talk(locale: string, said: readonly string[], system?: string): Promise<string[]> {
  const messages: PromptMessage[] = system === undefined ? [] : [{ role: 'system', content: system }];
  const answers: string[] = [];
  for (const content of said) {
    messages.push({ role: 'user', content });
    const answer = await run({ messages: [...messages], locale, purpose: 'answer' });
    messages.push({ role: 'assistant', content: answer });
    answers.push(answer);
  }
  return answers;
}

export const greet = (locale: string, instruction: string) =>
  run({ messages: [{ role: 'system', content: instruction }], locale, purpose: 'greeting' });
export const last = (answers: readonly string[]) => answers.at(-1) ?? '';
/** The sentences that ask. */
export const questionsOf = (answers: readonly string[]) =>
  answers
    .flatMap((answer) => answer.split(/(?<=[.!?。！？])\s*|\[SPLIT\]/))
    .filter((sentence) => /[?？]$/.test(sentence));

export const life = [
  'Hello, my name is Ada.',
  'I was born in Leeds in 1950, in a small house near the river.',
  'My mother Ann worked in a bakery and my brother Tom helped her.',
  'I was afraid of the dark when I was little.',
  'We moved to London when I was twelve, because my father found work there.',
  'School was hard for me at first.',
  'I became a teacher and I loved it.',
  'In 1975 I married David, we met at a dance.',
  'Tom died in 1999. I still miss him.',
  'Now I live in York and I have a garden.',
  'yes',
  'I do not know what else to say about it',
];
export const lifeInChinese = [
  '你好，我叫李明。',
  '我一九五〇年出生在上海的一条弄堂里。',
  '我妈妈在纺织厂上班，每天很晚才回家。',
  '小时候我最怕一个人在家。',
  '1968年我去了黑龙江插队。',
  '我哥哥叫李强，他一直照顾我。',
  '后来我当了三十年的中学老师。',
  '我和我妻子是在学校里认识的。',
  '我哥哥前年去世了，我很难过。',
  '现在我住在苏州，每天去公园下棋。',
  '是的',
  '不记得了',
];
