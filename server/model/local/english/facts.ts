import type { Facts } from '../language.ts';

const relation =
  'grandmother|grandfather|grandma|grandpa|granny|grandparents|mother|father|mum|mom|mummy|mommy|dad|daddy|parents|' +
  'stepmother|stepfather|brothers?|sisters?|twin|husband|wife|partner|fiancée?|sons?|daughters?|children|kids|baby|' +
  'aunts?|uncles?|cousins?|nephews?|nieces?|grandson|granddaughter|grandchildren|family|friends?|teacher|boss|neighbou?r';
const people = new RegExp(
  `\\b(?:[Mm]y|[Oo]ur)\\s+(?:\\p{Ll}+\\s+){0,2}?(${relation})\\b(?:(?:[’']s name (?:is|was)|,?\\s(?:called|named)|,)?\\s(\\p{Lu}[\\p{Ll}’'-]+(?:\\s\\p{Lu}[\\p{Ll}’'-]+)?))?`,
  'gu',
);
const jobs =
  'teacher|nurse|doctor|engineer|farmer|driver|baker|cook|chef|tailor|carpenter|mechanic|miner|sailor|soldier|officer|' +
  'clerk|secretary|accountant|lawyer|judge|journalist|writer|painter|musician|actor|actress|singer|dancer|builder|butcher|' +
  'waiter|waitress|cleaner|gardener|plumber|electrician|welder|weaver|fisherman|policeman|postman|salesman|priest|' +
  'programmer|designer|architect|manager|shopkeeper|librarian|professor|researcher|student|pilot|translator|midwife|' +
  '\\p{L}+(?:ologist|ographer|keeper|smith|maker|worker|wright|ician|mist|surgeon|entist)';
const work = new RegExp(
  `\\bI(?:\\s(?:was|am|became)|[’']m|\\s(?:have )?worked as|\\swork as|\\sused to be|\\strained as)(?:\\s\\p{Lu}\\p{Ll}+,)?\\s(?:an?\\s)((?:[\\p{Ll}-]+\\s){0,2}(?:${jobs}))\\b`,
  'iu',
);
const notName = new Set(
  'not a an the on back when if and it old in from so very just fine ok okay good well happy sad tired sorry sure yes no hello hi here ready glad afraid doing going retired married single born i you my we he she they thank thanks maybe nothing none what why'.split(
    ' ',
  ),
);
const notPlace = new Set(
  'that this it my our his her their love trouble time general fact those these order a an the bed hospital secret pain English French German Spanish Chinese Japanese Italian Russian January February March April May June July August September October November December Monday Tuesday Wednesday Thursday Friday Saturday Sunday'.split(
    ' ',
  ),
);
const stop =
  /^(?:and|or|in|on|where|when|with|but|which|who|that|to|because|during|i|we|my|our|before|after|as|until|for|from|at|so|then|there|is|was)$/i;
const season =
  /^(?:(?:the\s)?(?:late|early|mid)?\s?(?:year|spring|summer|autumn|fall|winter)?\s?(?:of\s)?)?(?:\d{1,2}(?:st|nd|rd|th)?\s(?:of\s)?)?(?:(?:january|february|march|april|may|june|july|august|september|october|november|december)\s?\d{0,2},?\s)?\d{4}s?,?\s(?:in|at|on|near)\s/i;

/** The name at the beginning of `rest`: one word, and more while they are capitalised. */
function nameIn(rest: string, mustBeCapitalised: boolean): string | undefined {
  const words = rest.trim().split(/\s+/);
  const name: string[] = [];
  for (const word of words.slice(0, 3)) {
    const bare = word.replace(/[^\p{L}’'-]+.*$/u, '');
    const capitalised = /^\p{Lu}/u.test(bare);
    if (bare === '' || notName.has(bare.toLowerCase())) break;
    if (!capitalised && (mustBeCapitalised || name.length > 0)) break;
    name.push(capitalised ? bare : bare.charAt(0).toUpperCase() + bare.slice(1));
    if (bare !== word) break;
  }
  return name.length > 0 ? name.join(' ') : undefined;
}

/** The place that follows `lead`, such as `Leeds` or `a small village near Leeds`. */
function placeAfter(text: string, lead: RegExp): string | undefined {
  const match = lead.exec(text);
  if (match === null) return undefined;
  const rest = text.slice(match.index + match[0].length).replace(season, '');
  const clause = /^[^.,;:!?()\n]+/.exec(rest)?.[0] ?? '';
  const words: string[] = [];
  for (const word of clause.trim().split(/\s+/)) {
    if (words.length >= 6 || stop.test(word) || /\d/.test(word)) break;
    words.push(word);
  }
  const [first] = words;
  if (first === undefined || (notPlace.has(first) && words.length < 2) || /^(?:that|this|it|my)$/i.test(first)) return;
  return words.length === 1 ? first.charAt(0).toUpperCase() + first.slice(1) : words.join(' ');
}

function named(text: string): string | undefined {
  const said = /\b(?:my (?:full |first )?name(?:[’']s| is)|i(?:[’']m| am) called)\s+(.+)/i.exec(text)?.[1];
  const called = /\b(?:please|just|can|people|everyone|everybody|friends|they|and)?\s?calls? me\s+(.+)/i.exec(
    text,
  )?.[1];
  const am = /^(?:(?:hello|hi|hey|good \w+)(?: there)?[\s,!.]+)?(?:i am|i[’']m|this is)\s+(.+)/i.exec(text)?.[1];
  const alone = am === undefined ? undefined : nameIn(am, true);
  const asName = alone !== undefined && !/(?:ish|ese|ian|can|man|ch)$/.test(alone) && isAlone(am ?? '', alone);
  return (
    (said === undefined ? undefined : nameIn(said, false)) ??
    (called === undefined ? undefined : nameIn(called, true)) ??
    (asName ? alone : undefined)
  );
}

/** Whether nothing follows that would make "I am X" mean something else ("I am Leeds born"). */
function isAlone(rest: string, name: string): boolean {
  return /^\s*(?:$|[.,;!?]|and\b)/i.test(rest.trim().slice(name.length));
}

export function factsOf(text: string): Facts {
  const birthYear = /\bborn\b[^.!?]*?\b(1[89]\d\d|20\d\d)\b/i.exec(text)?.[1];
  const birthPlace = placeAfter(text, /\bborn\s(?:and\s(?:raised|bred|brought up)\s)?(?:in|at|on|near)\s/i);
  const grewUp = placeAfter(
    text,
    /\b(?:grew up|(?:was|were|and) (?:raised|brought up)|my childhood)\s(?:in|at|on|near)\s/i,
  );
  const home = placeAfter(text, /\b(?:I|we)\s(?:now\s|still\s|currently\s)?live\s(?:now\s)?(?:in|at|near)\s/i);
  const name = named(text);
  const job = work.exec(text)?.[1];
  const places = new Set([birthPlace, grewUp, home].filter((place) => place !== undefined));
  const travel =
    /\b(?:in|near|from|(?:moved|went|came|travell?ed|back|way|move|go|going) to)\s((?:\p{Lu}[\p{Ll}’'-]+)(?:\s\p{Lu}[\p{Ll}’'-]+){0,2})/gu;
  for (const [, place] of text.matchAll(travel)) {
    if (place !== undefined && !notPlace.has(place.split(' ')[0] ?? '')) places.add(place);
  }
  const known = new Map<string, string | undefined>();
  for (const [, who, called] of text.matchAll(people)) {
    if (who === undefined) continue;
    const proper = called !== undefined && /^\p{Lu}/u.test(called) && !notName.has(called.toLowerCase());
    known.set(who.toLowerCase(), (proper ? called : undefined) ?? known.get(who.toLowerCase()));
  }
  return {
    ...(name === undefined ? {} : { name }),
    ...(birthYear === undefined ? {} : { birthYear }),
    ...(birthPlace === undefined ? {} : { birthPlace }),
    ...(grewUp === undefined ? {} : { grewUp }),
    ...(home === undefined ? {} : { home }),
    ...(job === undefined ? {} : { work: job }),
    places: [...places],
    years: [...text.matchAll(/\b(1[89]\d\d|20\d\d)\b/g)].map(([year]) => year),
    people: known,
  };
}

export function nameOfOther(text: string): string | undefined {
  const rest = /\b(?:her|his|their|its) name (?:is|was)\s+(.+)|\b(?:she|he|they) (?:is|was|were) called\s+(.+)/i.exec(
    text,
  );
  const said = rest?.[1] ?? rest?.[2];
  return said === undefined ? undefined : nameIn(said, true);
}

const list = new Intl.ListFormat('en', { type: 'conjunction' });

/** "your brother Tom" */
export function personPhrase(person: string, name: string | undefined): string {
  return name === undefined ? `your ${person}` : `your ${person} ${name}`;
}

const article = (noun: string): string => (/^[aeiou]/i.test(noun) ? `an ${noun}` : `a ${noun}`);

export function tellOne(facts: Facts, which: keyof Facts): string | undefined {
  const { name, birthYear, birthPlace, grewUp, home, places, years } = facts;
  if (which === 'name') return name && `Your name is ${name}.`;
  if (which === 'birthYear') return birthYear && `You were born in ${birthYear}.`;
  if (which === 'birthPlace') return birthPlace && `You were born in ${birthPlace}.`;
  if (which === 'grewUp') return grewUp && `You grew up in ${grewUp}.`;
  if (which === 'home') return home && `You live in ${home}.`;
  if (which === 'work') return facts.work && `You told me of your work as ${article(facts.work)}.`;
  if (which === 'places') return places.length > 0 ? `You mentioned ${list.format(places.slice(0, 5))}.` : undefined;
  if (which === 'years') return years.length > 0 ? `You named ${list.format(years.slice(0, 5))}.` : undefined;
  const persons = [...facts.people].slice(0, 6).map(([person, called]) => personPhrase(person, called));
  return persons.length > 0 ? `You spoke of ${list.format(persons)}.` : undefined;
}

export function tell(facts: Facts): string[] {
  const { birthYear, birthPlace } = facts;
  const places = facts.places.filter((place) => ![birthPlace, facts.grewUp, facts.home].includes(place));
  const years = facts.years.filter((year) => year !== birthYear);
  const born =
    birthYear !== undefined && birthPlace !== undefined
      ? `You were born in ${birthPlace} in ${birthYear}.`
      : (tellOne(facts, 'birthYear') ?? tellOne(facts, 'birthPlace'));
  return [
    tellOne(facts, 'name'),
    born,
    tellOne(facts, 'grewUp'),
    tellOne(facts, 'home'),
    tellOne(facts, 'work'),
    tellOne(facts, 'people'),
    tellOne({ ...facts, places }, 'places'),
    tellOne({ ...facts, years }, 'years'),
  ].filter((sentence) => sentence !== undefined);
}
