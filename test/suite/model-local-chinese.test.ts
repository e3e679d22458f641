import { describe, expect, it } from 'vitest';
import { last, lifeInChinese, questionsOf, talk } from './model-local-talk.ts';

describe('the local model in Chinese', () => {
  it('holds a conversation of a dozen turns: never empty, one new question at a time, nobody else’s language', async () => {
    const answers = await talk('zh-CN', lifeInChinese);
    for (const answer of answers) {
      expect(answer).toMatch(/\p{Script=Han}/u);
      expect(answer).not.toMatch(/[A-Za-z]|\{|undefined/);
      expect(answer).toMatch(/[。？！]$/);
    }
    const questions = questionsOf(answers);
    expect(questions.length).toBeGreaterThanOrEqual(answers.length);
    expect(new Set(questions).size).toBe(questions.length);
  });

  it('says back what it heard, with the persons exchanged', async () => {
    expect(last(await talk('zh', ['我们家住在河边。']))).toContain('你们家住在河边');
  });

  it.each([
    ['我叫李明', '我叫什么名字？', '李明'],
    ['我的名字是王小红，今年七十岁', '你还记得我的名字吗？', '王小红'],
    ['我一九五〇年出生在上海。', '我是哪一年出生的？', '1950'],
    ['我一九五〇年出生在上海。', '我在哪里出生的？', '上海'],
    ['我在苏州长大。', '我在哪儿长大？', '苏州'],
    ['我当了三十年的中学老师。', '我的工作是什么？', '老师'],
    ['我哥哥叫李强。', '我哥哥叫什么？', '李强'],
    ['我姓王', '我姓什么？', '王'],
  ])('remembers %j when asked %j', async (told, question, expected) => {
    const answers = await talk('zh', [told, '那时候家里养了一只猫。', '是的', question]);
    expect(last(answers)).toContain(expected);
  });

  it('puts together what it was told', async () => {
    const summary = last(await talk('zh', [...lifeInChinese, '你记得我什么？']));
    for (const fact of ['李明', '1950', '上海', '老师', '妈妈', '李强', '苏州']) expect(summary).toContain(fact);
  });

  it('answers greetings, thanks, goodbyes and questions about itself as what they are', async () => {
    expect(last(await talk('zh', ['你好']))).toContain('你好');
    expect(last(await talk('zh', ['谢谢']))).toMatch(/谢/);
    expect(last(await talk('zh', ['再见']))).toMatch(/再见|保重/);
    expect(last(await talk('zh', ['你是谁？']))).toContain('不是语言模型');
    expect(last(await talk('zh', ['不想谈这个']))).toMatch(/不谈|没关系|换个话题/);
    expect(last(await talk('zh', ['我老伴去年去世了']))).toMatch(/难过|离别|谢谢你/);
    expect(last(await talk('zh', ['我不想活了']))).toMatch(/急救电话|心理援助/);
  });

  it('is as polite as it is spoken to', async () => {
    const answers = await talk('zh', ['您好', '我老家在青岛。', '我们家兄弟三个。']);
    for (const answer of answers) expect(answer).not.toMatch(/你(?!们)/);
  });
});
