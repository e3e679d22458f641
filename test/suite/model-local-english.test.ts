import { describe, expect, it } from 'vitest';
import { last, life, questionsOf, talk } from './model-local-talk.ts';

describe('the local model in English', () => {
  it('holds a conversation of a dozen turns: never empty, one new question at a time, nobody else’s language', async () => {
    const answers = await talk('en', life);
    for (const answer of answers) {
      expect(answer.trim()).not.toBe('');
      expect(answer).not.toMatch(/\p{Script=Han}|\{\w+\}|undefined|\s{2}/u);
      expect(answer).toMatch(/[.?!]$/);
    }
    const questions = questionsOf(answers);
    expect(questions.length).toBeGreaterThanOrEqual(answers.length);
    expect(new Set(questions).size).toBe(questions.length);
  });

  it('says back what it heard, with the persons exchanged', async () => {
    expect(last(await talk('en', ['I was born in my grandmother’s house.']))).toMatch(
      /you were born in your grandmother's house/i,
    );
    expect(last(await talk('en', ["I'm proud of my sister and myself."]))).not.toMatch(/\b(?:my|I|myself)\b(?!.*you)/);
    expect(last(await talk('en', ['We left our village in spring.']))).toMatch(/you left your village in spring/i);
  });

  it.each([
    ['My name is Ada', 'What is my name?', /\bAda\b/],
    ['my name is ada', 'Do you remember my name?', /\bAda\b/],
    ["Hi, I'm Ada.", "What's my name?", /\bAda\b/],
    ['I was born in Leeds in 1950.', 'Where was I born?', /\bLeeds\b/],
    ['I was born in Leeds in 1950.', 'When was I born?', /\b1950\b/],
    ['I grew up in a small village near York.', 'Where did I grow up?', /small village near York/],
    ['I worked as a nurse for forty years.', 'What was my job?', /\bnurse\b/],
    ['My sister Ann lives in Bath.', "What is my sister's name?", /\bAnn\b/],
    ['We had a red boat on the lake.', 'What did I tell you about the boat?', /red boat/],
  ])('remembers %j when asked %j', async (told, question, expected) => {
    const answers = await talk('en', [told, 'We had a cat.', 'It was a good time.', question]);
    expect(last(answers)).toMatch(expected);
  });

  it('learns the name of somebody it was told of before', async () => {
    const answers = await talk('en', ['My wife sings.', 'Her name is Margaret.', "What is my wife's name?"]);
    expect(last(answers)).toContain('Margaret');
  });

  it('takes no question for a fact, and owns up to what it was not told', async () => {
    const [answer] = await talk('en', ['What is my name?']);
    expect(answer).toMatch(/not told me/);
    const answers = await talk('en', ["What is my brother's name?", 'What do you know about me?']);
    expect(last(answers)).not.toMatch(/brother/);
  });

  it('does not take a feeling, a nationality or a job for a name', async () => {
    for (const said of ['I am tired.', "I'm Irish.", 'I am a nurse.', "I'm fine, thanks for asking me."]) {
      expect(last(await talk('en', [said, 'What is my name?']))).toMatch(/not told me/);
    }
  });

  it('puts together what it was told', async () => {
    const summary = last(await talk('en', [...life, 'What do you remember about me?']));
    for (const fact of ['Ada', 'Leeds', '1950', 'teacher', 'Ann', 'Tom', 'York']) expect(summary).toContain(fact);
    expect(summary.split('[SPLIT]')).toHaveLength(2);
  });

  it('comes back to something said earlier', async () => {
    const answers = await talk('en', life);
    expect(
      answers.some(
        (answer) => /earlier|before/.test(answer) && /Ann|Tom|Leeds|London|mother|brother|father/.test(answer),
      ),
    ).toBe(true);
  });

  it('answers greetings, thanks, goodbyes and refusals as what they are', async () => {
    expect(last(await talk('en', ['hello']))).toMatch(/hello/i);
    expect(last(await talk('en', ['thank you']))).toMatch(/welcome|thank/i);
    expect(last(await talk('en', ['I told my brother Tom.', 'goodbye']))).toMatch(/goodbye|take care/i);
    expect(last(await talk('en', ["I'd rather not talk about that."]))).toMatch(/leave that|all right|something else/);
    expect(last(await talk('en', ['How are you?']))).toMatch(/program/i);
  });

  it.each(['Who are you?', 'Are you a real person?', 'are you chatgpt', 'What are you?'])(
    'says what it is: %s',
    async (question) => {
      const answer = last(await talk('en', [question]));
      expect(answer).toMatch(/not a language model/);
      expect(answer).toMatch(/rule/);
    },
  );

  it('is careful with grief and sends somebody in danger to other people', async () => {
    expect(last(await talk('en', ['My husband died last year.']))).toMatch(/sorry|loss/);
    expect(last(await talk('en', ['I want to kill myself']))).toMatch(/emergency|crisis line/);
  });

  it('goes on for a hundred turns without repeating a question', async () => {
    const said = Array.from({ length: 100 }, (_, index) => `We walked ${index} miles with our friends that day.`);
    const questions = questionsOf(await talk('en', said));
    expect(questions).toHaveLength(100);
    expect(new Set(questions.slice(0, 40)).size).toBe(40);
  });
});
