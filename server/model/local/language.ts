/** What a message is for, where it is for something other than telling. */
export type Intent =
  | 'hello'
  | 'thanks'
  | 'goodbye'
  | 'identity'
  | 'how-are-you'
  | 'suggest'
  | 'recall'
  | 'decline'
  | 'unsure'
  | 'brief'
  | 'question'
  | 'crisis'
  | 'statement';

/** What a person has told about themselves. `people` are relations as the person names them, with a name if one was given. */
export interface Facts {
  name?: string;
  birthYear?: string;
  birthPlace?: string;
  grewUp?: string;
  home?: string;
  work?: string;
  places: readonly string[];
  years: readonly string[];
  people: ReadonlyMap<string, string | undefined>;
}

export type ProfileField = 'nickname' | 'birthYear' | 'birthPlace' | 'grewUpPlace' | 'occupation';

export type Mood = 'loss' | 'dark' | 'bright' | 'plain';

/** A subject, recognised by its words, with open questions about it. Slots: `{person}`, `{place}`, `{year}`. */
export interface Topic {
  match: RegExp;
  questions: readonly string[];
}

/** One of several phrasings. A slot is `{name}`, `{it}` and so on. */
export type Phrasing = readonly [string, ...string[]];

/** Everything about the interviewer that depends on the language. */
export interface Language {
  intent(text: string): Intent;
  mood(text: string): Mood;
  /** What one message tells. */
  facts(text: string): Facts;
  /** The name that a message gives to whoever was spoken of before: "her name is Ann". */
  nameOfOther(text: string): string | undefined;
  /** A message that begins like this is about somebody else. */
  leadsWithPerson: RegExp;
  /** Whether a name serves to address somebody: a surname alone does not. */
  isAddress(name: string): boolean;
  /** A clause of the message said back, with the persons exchanged and no final stop; none if nothing fits. */
  reflect(text: string): string | undefined;
  /** The sentence of an earlier message that speaks of something, for quoting. */
  quote(text: string, about: string): string | undefined;
  /** What a question about earlier talk is about: a known fact, something in the person's words, or all of it. */
  recallOf(text: string): keyof Facts | { about: string } | 'all';
  /** Facts as sentences, the most important first. */
  tell(facts: Facts): string[];
  /** One fact as a sentence; none if it is unknown. */
  tellOne(facts: Facts, which: keyof Facts): string | undefined;
  topics: readonly Topic[];
  /** Questions about a person, a place, a year: used when a message names one. */
  about: Record<'person' | 'place' | 'year', readonly string[]>;
  /** `{person}` as the interviewer says it. */
  personPhrase(person: string, name: string | undefined): string;
  /** Open questions about a life, from its beginning on. */
  openers: readonly string[];
  /** Questions that fit whatever was just told. */
  deepeners: readonly string[];
  /** Ask for a missing field; the last one of a list is joined by `and`. */
  fieldQuestions: Record<ProfileField, string>;
  joinQuestions(questions: readonly string[]): string;
  phrases: {
    welcome: Phrasing;
    welcomeNamed: Phrasing;
    ready: Phrasing;
    hello: Phrasing;
    helloNamed: Phrasing;
    meet: Phrasing;
    thanks: Phrasing;
    goodbye: Phrasing;
    goodbyeAbout: Phrasing;
    identity: Phrasing;
    howAreYou: Phrasing;
    suggest: Phrasing;
    decline: Phrasing;
    unsure: Phrasing;
    brief: Phrasing;
    question: Phrasing;
    crisis: Phrasing;
    unknown: Phrasing;
    nothingYet: Phrasing;
    recall: Phrasing;
    quoted: Phrasing;
    callback: Phrasing;
    revisit: Phrasing;
    last: Phrasing;
    ack: Record<Mood, Phrasing>;
    reflection: Phrasing;
  };
  /** Sentences put one after the other. */
  join(sentences: readonly string[]): string;
}
