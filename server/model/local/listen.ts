import type { ModelRequest } from '../port.ts';
import { chinese } from './chinese/chinese.ts';
import { english } from './english/english.ts';
import type { Facts, Language, ProfileField } from './language.ts';
import { profileOf } from './profile.ts';

/** What the interviewer goes by: everything that it was told and everything that it has said. */
export interface Heard {
  language: Language;
  /** The person says 您, so the interviewer does. */
  isFormal: boolean;
  /** The message to answer; empty if nobody has spoken yet. */
  last: string;
  /** The person's earlier messages, oldest first. */
  said: readonly string[];
  /** All that the interviewer has said, to repeat nothing. */
  spoken: string;
  /** What the last message told, and what is known altogether. */
  fresh: Facts;
  known: Facts;
  /** The last system message. */
  instruction: string;
}

/** How far back it listens, and how much of one message it takes in (UTF-16 code units): answering stays quick. */
const messages = 80;
const length = 4_000;

const nothing: Facts = { places: [], years: [], people: new Map() };

export function listen(request: ModelRequest): Heard {
  const talk = request.messages.filter(({ role }) => role !== 'system').slice(-messages);
  const users = talk.filter(({ role }) => role === 'user').map(({ content }) => content.slice(0, length).trim());
  const system = request.messages.filter(({ role }) => role === 'system').map(({ content }) => content);
  const language = languageOf(users, request.locale);
  let known = merge(nothing, profileOf(system.join('\n')));
  let fresh = nothing;
  let before = '';
  for (const { role, content } of talk) {
    if (role === 'assistant') {
      before = plain(content);
      continue;
    }
    const text = content.slice(0, length).trim();
    const spokenIn = languageOf([text], language === chinese ? 'zh' : 'en');
    fresh = recognise(known, merge(spokenIn.facts(told(text)), bareAnswers(text, before, spokenIn)), text, spokenIn);
    known = merge(known, fresh);
  }
  return {
    language,
    isFormal: users.some((text) => text.includes('您')),
    last: users.at(-1) ?? '',
    said: users.slice(0, -1),
    spoken: talk
      .filter(({ role }) => role === 'assistant')
      .map(({ content }) => plain(content))
      .join('\n'),
    fresh,
    known,
    instruction: system.at(-1) ?? '',
  };
}

/** An earlier answer as it was composed: without bubbles, and with the common form of address. */
function plain(content: string): string {
  return content.replaceAll('[SPLIT]', '\n').replaceAll('您', '你');
}

/** The language of the latest message that shows one, else that of the locale. */
function languageOf(texts: readonly string[], locale: string): Language {
  for (const text of texts.toReversed()) {
    if (/[\p{Script=Hiragana}\p{Script=Katakana}]/u.test(text)) break;
    const han = text.match(/\p{Script=Han}/gu)?.length ?? 0;
    const words = text.match(/\p{Script=Latin}+/gu)?.length ?? 0;
    if (han + words > 0) return han >= words ? chinese : english;
  }
  return locale.toLowerCase().startsWith('zh') ? chinese : english;
}

/** What is asked tells nothing about the person. */
function told(text: string): string {
  return text.replace(/[^.!?。！？\n]*[?？]/g, ' ');
}

/** A known person spoken of by name, or named afterwards. */
function recognise(known: Facts, fresh: Facts, text: string, language: Language): Facts {
  const people = new Map(fresh.people);
  const other = language.nameOfOther(text);
  const latest = [...known.people.keys()].at(-1);
  if (other !== undefined && latest !== undefined && people.size === 0) people.set(latest, other);
  for (const [person, name] of known.people) {
    if (name !== undefined && text.includes(name) && !people.has(person)) people.set(person, name);
  }
  return { ...fresh, people };
}

function merge(older: Facts, newer: Facts): Facts {
  const people = new Map(older.people);
  for (const [person, name] of newer.people) {
    const called = name ?? people.get(person);
    // The latest is last.
    people.delete(person);
    people.set(person, called);
  }
  return {
    ...older,
    ...newer,
    places: [...new Set([...older.places, ...newer.places])],
    years: [...new Set([...older.years, ...newer.years])],
    people,
  };
}

/** "Ada, 1950" tells nothing by itself, but it does after "what would you like me to call you, and in which year …". */
function bareAnswers(text: string, before: string, language: Language): Facts {
  const question = before.toLowerCase();
  const asked = Object.entries(language.fieldQuestions)
    .map(([field, words]) => ({ field, at: question.indexOf(words.toLowerCase()) }))
    .filter(({ at }) => at >= 0)
    .sort((a, b) => a.at - b.at)
    .map(({ field }) => field);
  if (asked.length === 0 || text.length > 100) return nothing;
  const found: Partial<Record<ProfileField | string, string>> = {};
  const open = asked.filter((field) => field !== 'birthYear');
  for (const part of text.split(/[,，、;；.。\n]|\band\b/)) {
    const year = /(?<!\d)(?:1[89]\d\d|20\d\d)(?!\d)/.exec(part)?.[0];
    if (year !== undefined) {
      if (asked.includes('birthYear')) found.birthYear = year;
      continue;
    }
    const bare = part
      .trim()
      .replace(/^(?:(?:it's|just|in|at|an?|the)\s+|在)+(?=\S)/i, '')
      .replace(/[!！?？]+$/, '');
    const isSentence = /^(?:I|my|we|our|you|it|he|she|they)\b|[我你您]|[?？]/i.test(bare);
    if (bare === '' || isSentence || bare.split(/\s+/).length > 4 || bare.length > 40) continue;
    if (language.intent(bare) !== 'statement') continue;
    const field = open.shift();
    if (field !== undefined) found[field] = bare;
  }
  const place = [found.birthPlace, found.grewUpPlace].filter((named) => named !== undefined);
  return {
    ...(found.nickname === undefined ? {} : { name: found.nickname }),
    ...(found.birthYear === undefined ? {} : { birthYear: found.birthYear }),
    ...(found.birthPlace === undefined ? {} : { birthPlace: found.birthPlace }),
    ...(found.grewUpPlace === undefined ? {} : { grewUp: found.grewUpPlace }),
    ...(found.occupation === undefined ? {} : { work: found.occupation }),
    places: place,
    years: [],
    people: new Map(),
  };
}
