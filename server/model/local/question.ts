import type { Choice } from './choice.ts';
import { fill, isFilled } from './choice.ts';
import type { Facts } from './language.ts';
import type { Heard } from './listen.ts';

/**
 * The next question: about a person, a subject, a place or a time in `about`, else a deeper one, else another part of
 * life, and in the end about the person's own earlier words. A question already asked comes again only in other words.
 */
export function nextQuestion(heard: Heard, choice: Choice, about: string, facts: Facts): string {
  const { language, known, spoken } = heard;
  const person = [...facts.people.keys()].at(-1);
  const year = facts.years.findLast((found) => found !== known.birthYear);
  const place = facts.places.at(-1);
  const slots = {
    person: person === undefined ? undefined : language.personPhrase(person, known.people.get(person)),
    place,
    year,
  };
  const pools: string[][] = [
    person === undefined ? [] : unasked(language.about.person, slots, spoken),
    ...(language.leadsWithPerson.test(about) && person !== undefined ? [] : language.topics)
      .filter(({ match }) => match.test(about))
      .slice(0, 3)
      .map(({ questions }) => unasked(questions, slots, spoken)),
    place === undefined ? [] : unasked(language.about.place, slots, spoken),
    year === undefined ? [] : unasked(language.about.year, slots, spoken),
  ].filter((pool) => pool.length > 0);
  const deeper = unasked(language.deepeners, slots, spoken);
  if (deeper.length > 0 && about !== '' && (pools.length === 0 || choice.number(5) === 0)) pools.unshift(deeper);
  const [first, second] = pools;
  const pool = (second !== undefined && choice.number(3) === 0 ? second : first) ?? [];
  return isFilled(pool) ? choice.of(pool) : openQuestion(heard, choice);
}

/** A question that begins another part of the story. */
export function openQuestion(heard: Heard, choice: Choice): string {
  const { language, said, spoken } = heard;
  const open = unasked(language.openers, {}, spoken);
  // The bank goes from the beginning of a life to its sum: near its front is near where the talk is.
  const near = open.slice(0, 3);
  if (isFilled(near)) return choice.of(near);
  const deeper = unasked(language.deepeners, {}, spoken);
  if (isFilled(deeper)) return choice.of(deeper);
  for (const earlier of said) {
    const it = language.reflect(earlier) === undefined ? undefined : language.quote(earlier, '');
    if (it !== undefined && !spoken.includes(it))
      return fill(choice.of(language.phrases.revisit), { it: unstopped(it) });
  }
  return choice.of(language.phrases.last);
}

/** A link between what is told now and something told before, once for each thing; none if there is none. */
export function callback(heard: Heard, choice: Choice): string | undefined {
  const { language, known, fresh, last, spoken } = heard;
  const things = [
    ...[...known.people]
      .filter(([person]) => !fresh.people.has(person))
      .map(([person, name]) => language.personPhrase(person, name)),
    ...known.places.filter((place) => !last.includes(place)),
  ];
  const phrasings = language.phrases.callback;
  const unlinked = things.filter((it) => !phrasings.some((phrasing) => spoken.includes(fill(phrasing, { it }))));
  const used = phrasings.filter((phrasing) => wasSaid(phrasing, spoken));
  const free = phrasings.filter((phrasing) => !used.includes(phrasing));
  const it = unlinked[0];
  if (it === undefined || !isFilled(free)) return undefined;
  return fill(choice.of(free), { it });
}

/** Those questions whose wording was never used; failing that, those never asked about just this. */
function unasked(
  questions: readonly string[],
  slots: Readonly<Record<string, string | undefined>>,
  spoken: string,
): string[] {
  const filled = (question: string): string => fill(question, slots);
  const fresh = questions.filter((question) => !wasSaid(question, spoken)).map(filled);
  return fresh.length > 0 ? fresh : questions.map(filled).filter((question) => !spoken.includes(question));
}

/** Whether the wording was used, whatever was in its slots. */
function wasSaid(phrasing: string, spoken: string): boolean {
  const fixed = phrasing.split(/\{\w+\}/).reduce((longest, part) => (part.length > longest.length ? part : longest));
  return spoken.includes(fixed);
}

/** A quotation inside a sentence has no stop of its own. */
export function unstopped(text: string): string {
  return text.replace(/[.。!！]+$/, '');
}
