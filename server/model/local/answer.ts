import { Choice, fill, fingerprint } from './choice.ts';
import type { Facts, Phrasing, ProfileField } from './language.ts';
import type { Heard } from './listen.ts';
import { callback, nextQuestion, openQuestion } from './question.ts';

/** Between two messages of one answer, as a prompt asks a language model to write it. */
export const separator = '[SPLIT]';

/** The answer to the last message, one string a bubble. */
export function answer(heard: Heard): string[] {
  const { language, last, said, known } = heard;
  const choice = new Choice(`${last}\n${said.length}\n${heard.spoken}`);
  const { phrases } = language;
  const turn = said.length + fingerprint(said[0] ?? last);
  /** Takes turns, so that the same words never come twice in a row. */
  const next = (phrasing: Phrasing): string => phrasing[turn % phrasing.length] ?? phrasing[0];
  const name = known.name !== undefined && language.isAddress(known.name) ? known.name : undefined;
  const isTold = (text: string): boolean =>
    language.intent(text) === 'statement' && language.reflect(text) !== undefined;
  const earlier = said.findLast(isTold) ?? '';
  const open = (): string => openQuestion(heard, choice);
  const goOn = (): string => (earlier === '' ? open() : nextQuestion(heard, choice, earlier, language.facts(earlier)));
  const say = (...sentences: (string | undefined)[]): string[] => [
    language.join(sentences.filter((sentence) => sentence !== undefined && sentence !== '').map((text) => text ?? '')),
  ];

  switch (last === '' ? 'hello' : language.intent(last)) {
    case 'crisis':
      return say(next(phrases.crisis));
    case 'hello':
      return say(name === undefined ? next(phrases.hello) : fill(next(phrases.helloNamed), { name }), open());
    case 'thanks':
      return say(next(phrases.thanks), goOn());
    case 'goodbye': {
      const it = salient(heard);
      return say(it === undefined ? next(phrases.goodbye) : fill(next(phrases.goodbyeAbout), { it }));
    }
    case 'identity':
      return say(next(phrases.identity), open());
    case 'how-are-you':
      return say(next(phrases.howAreYou), goOn());
    case 'suggest':
      return say(next(phrases.suggest), open());
    case 'decline':
      return say(next(phrases.decline), open());
    case 'unsure':
      return say(next(phrases.unsure), goOn());
    case 'brief':
      return say(next(phrases.brief), goOn());
    case 'question':
      return say(next(phrases.question), goOn());
    case 'recall':
      return recall(heard, next, open);
    case 'statement':
      return say(...toStatement(heard, choice, next, turn));
  }
}

function toStatement(
  heard: Heard,
  choice: Choice,
  next: (phrasing: Phrasing) => string,
  turn: number,
): (string | undefined)[] {
  const { language, last, fresh, known, spoken, said } = heard;
  const { phrases } = language;
  const mood = language.mood(last);
  const it = language.reflect(last);
  const isNewName = fresh.name !== undefined && language.isAddress(fresh.name) && !spoken.includes(fresh.name);
  const isIntroduction = fresh.name !== undefined && it === undefined;
  const reflection =
    it === undefined || (isNewName && it.includes(fresh.name ?? ''))
      ? undefined
      : fill(next(phrases.reflection), { it });
  const acknowledgement = next(phrases.ack[mood]);
  const link =
    said.length >= 3 && turn % 3 === 0 && mood !== 'loss' && mood !== 'dark' ? callback(heard, choice) : undefined;
  const question = link ?? nextQuestion(heard, choice, isIntroduction ? '' : last, fresh);
  if (isNewName) return [fill(next(phrases.meet), { name: known.name }), reflection, question];
  if (mood !== 'plain') return [acknowledgement, turn % 2 === 0 ? reflection : undefined, question];
  return [
    reflection ?? acknowledgement,
    reflection !== undefined && turn % 3 === 1 ? acknowledgement : undefined,
    question,
  ];
}

const fieldOf: Partial<Record<keyof Facts, ProfileField>> = {
  name: 'nickname',
  birthYear: 'birthYear',
  birthPlace: 'birthPlace',
  grewUp: 'grewUpPlace',
  work: 'occupation',
};

/** What was told, said back: one thing of it, what there is about a subject, or all of it. */
function recall(heard: Heard, next: (phrasing: Phrasing) => string, open: () => string): string[] {
  const { language, last, said, known } = heard;
  const { phrases } = language;
  const wanted = language.recallOf(last);
  if (wanted === 'all') {
    const told = language.tell(known);
    const latest = said.findLast(
      (text) => language.intent(text) === 'statement' && language.reflect(text) !== undefined,
    );
    const it = latest === undefined ? undefined : language.quote(latest, '');
    if (told.length === 0 && it === undefined) return [language.join([next(phrases.nothingYet), open()])];
    const quoted = it === undefined || told.length > 2 ? [] : [fill(next(phrases.quoted), { it })];
    return [language.join([next(phrases.recall), ...told, ...quoted]), open()];
  }
  if (typeof wanted === 'string') {
    const fact =
      language.tellOne(known, wanted) ?? (wanted === 'birthPlace' ? language.tellOne(known, 'grewUp') : undefined);
    const field = fieldOf[wanted];
    const ask = field === undefined ? open() : language.joinQuestions([language.fieldQuestions[field]]);
    return [language.join(fact === undefined ? [next(phrases.unknown), ask] : [fact, open()])];
  }
  const person = [...known.people].find(([who]) => wanted.about.includes(who));
  const about = person === undefined ? undefined : language.tellOne({ ...known, people: new Map([person]) }, 'people');
  const it = said.map((text) => language.quote(text, wanted.about)).find((quotation) => quotation !== undefined);
  const found = [
    person?.[1] === undefined ? undefined : about,
    it === undefined ? about : fill(next(phrases.quoted), { it }),
  ];
  const sentences = [...new Set(found)].filter((sentence) => sentence !== undefined);
  return [language.join([...(sentences.length > 0 ? sentences : [next(phrases.unknown)]), open()])];
}

/** The one thing out of the conversation to name at its end. */
function salient({ language, known, said }: Heard): string | undefined {
  if (said.length === 0) return undefined;
  const person = [...known.people].at(-1);
  return person === undefined ? known.places.at(-1) : language.personPhrase(...person);
}
