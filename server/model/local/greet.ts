import { Choice, fill, isFilled } from './choice.ts';
import type { Heard } from './listen.ts';
import { fieldsToAsk } from './profile.ts';
import { nextQuestion, openQuestion } from './question.ts';

/** The first words of a conversation: a welcome, then the questions, in bubbles of their own. */
export function greet(heard: Heard): string[] {
  const { language, known, instruction } = heard;
  const choice = new Choice(`${instruction}\n${known.name ?? ''}\n${heard.spoken}`);
  const { phrases } = language;
  const welcome =
    known.name === undefined || !language.isAddress(known.name)
      ? choice.of(phrases.welcome)
      : fill(choice.of(phrases.welcomeNamed), { name: known.name });
  const questions = fieldsToAsk(instruction).map((field) => language.fieldQuestions[field]);
  if (!isFilled(questions)) {
    const place = known.grewUp ?? known.birthPlace;
    const about = { ...known, places: place === undefined ? [] : [place], years: [] };
    const question = place === undefined ? openQuestion(heard, choice) : nextQuestion(heard, choice, '', about);
    return [welcome, language.join([choice.of(phrases.ready), question])];
  }
  const asked = [language.join([choice.of(phrases.ready), language.joinQuestions(questions.slice(0, 2))])];
  if (questions.length > 2) asked.push(language.joinQuestions(questions.slice(2)));
  return [welcome, ...asked];
}
