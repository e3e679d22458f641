import type { Facts, Intent, Language, Mood } from '../language.ts';
import { factsOf, nameOfOther, personPhrase, tell, tellOne } from './facts.ts';
import { phrases } from './phrases.ts';
import { about, deepeners, openers } from './questions.ts';
import { quote, reflect } from './reflect.ts';
import { topics } from './topics.ts';

/** Tried in order; the number is the most words that such a message has. */
const intents: readonly [Intent, number, RegExp][] = [
  [
    'crisis',
    400,
    /\b(?:kill(?:ing)? myself|suicid(?:e|al)|end my life|want to die|(?:don't|not) want to live|hurt(?:ing)? myself|self-harm)\b/i,
  ],
  [
    'goodbye',
    12,
    /\b(?:good ?bye|bye(?:-bye)?|good night|see you|farewell|talk to you later|that(?:'s| is) (?:all|enough) for (?:today|now)|i (?:have|need|must|ought)(?: to)? (?:go|stop|leave))\b/i,
  ],
  ['thanks', 9, /^(?:many |oh,? )?(?:thanks|thank you|cheers|thx)\b/i],
  [
    'recall',
    30,
    /\bwhat(?:'s| is| was| are| were) my\b|\bwhat (?:do )?you (?:know|remember|recall)\b|\b(?:do|can) you (?:know|remember|recall|summar\w+|recap)\b|\b(?:what|where|when|who) (?:have|did|had) (?:i|we) (?:already |just )?(?:told?|tell|said|say|talk\w*|mention\w*|discuss\w*|speak)\b|^(?:please |could you |now )*(?:summar\w+|recap|sum (?:it |that |this )?up|remind me)\b|\bwhere (?:was|am|did|do) i\b|\bwhen was i\b|\bwho (?:am i|(?:is|was) my)\b|\bhow old am i\b|\bwhat (?:do|did|was) i (?:do|work)\b/i,
  ],
  [
    'identity',
    20,
    /\b(?:who|what)(?: exactly)? are you\b|\b(?:what|how) about you\b|\bare you (?:an? )?(?:really )?(?:real|human|person|robot|bot|machine|ai|computer|program|language model|llm|chatgpt|alive)\b|\bwhat(?:'s| is) your name\b|\btell me about yourself\b|\bwho (?:made|built|am i talking)\b/i,
  ],
  ['how-are-you', 8, /\bhow (?:are|r) (?:you|u)\b|\bhow(?:'s| is) it going\b|\bhow do you do\b/i],
  [
    'decline',
    25,
    /\b(?:don't|do not|rather not|won't|prefer not)(?: really)? (?:want |like |wish )?(?:to )?(?:talk|speak|discuss|answer|say|go there)\b(?! (?:what|where|how|much))|\bnone of your business\b|\b(?:skip|leave) (?:this|that|it)\b|\b(?:another|different|change the) (?:topic|subject)\b|\bsomething else\b/i,
  ],
  [
    'suggest',
    20,
    /\b(?:what|where|how) (?:should|shall|can|could|do|would) (?:i|we) (?:talk|say|tell|write|start|begin)\b|\b(?:don't|do not) know (?:what to (?:say|tell|talk)|where to (?:start|begin)|how to (?:start|begin))\b|\bask me\b|\bgive me an? (?:question|topic)\b|\bnext question\b|\bwhat (?:can|do) you do\b|^(?:please )?help(?: me)?\W*$|\bhow does this work\b|^(?:let's|shall we) (?:start|begin)\b/i,
  ],
  [
    'unsure',
    12,
    /^(?:i )?(?:really )?(?:don't|do not|can't|cannot|can not|couldn't) (?:really )?(?:know|remember|recall|say|tell)\b|^(?:i(?:'m| am) )?not sure\b|^no idea\b|^(?:i forget|i've forgotten|maybe|perhaps|hard to say|dunno)\W*$/i,
  ],
  ['hello', 4, /^(?:hello|hi+|hey|good (?:morning|afternoon|evening|day)|greetings)\b(?!.*\b(?:my|am|i'm)\b)/i],
];

const moods: readonly [Mood, RegExp][] = [
  ['loss', /\b(?:died|passed away|funeral|death of|buried|(?:i|we) lost (?:my|our|him|her))\b/i],
  [
    'dark',
    /\b(?:sad|unhappy|afraid|scared|frightened|lonely|alone|angry|hurt|cried|crying|regret\w*|ashamed|guilty|hard|difficult|terrible|awful|hungry|poor|ill|sick|war|worried|anxious|depress\w+|divorced?|missed?|homesick|bullied|worst|tired)\b/i,
  ],
  [
    'bright',
    /\b(?:happy|happiest|glad|joy\w*|loved?|wonderful|beautiful|proud|laugh\w*|fun|lovely|best|favou?rite|delight\w*|excited|grateful|married|celebrat\w+|won|enjoy\w*)\b/i,
  ],
];

const straighten = (text: string): string => text.replaceAll('’', "'").trim();

function intent(raw: string): Intent {
  const text = straighten(raw);
  const words = text.split(/\s+/).length;
  for (const [found, most, pattern] of intents) if (words <= most && pattern.test(text)) return found;
  if (!/[\p{L}\p{N}]/u.test(text)) return 'brief';
  const told = text.split(/(?<=[.!?])\s+/).filter((sentence) => !sentence.endsWith('?'));
  if (told.length === 0) return 'question';
  if (words === 1 && text.length < 3) return 'brief';
  const short =
    words <= 2 &&
    !/\d/.test(text) &&
    /^(?:yes|yeah|yep|no|nope|ok|okay|sure|right|true|indeed|hm+|mm+|ah|oh|well|good|great|fine|nice|exactly|maybe|of course|not really|go on|continue)\b/i.test(
      text,
    );
  return short ? 'brief' : 'statement';
}

const recalls: readonly [RegExp, keyof Facts][] = [
  [/\bmy (?:full |first )?name\b|\bwho am i\b/i, 'name'],
  [/\bwhen was i\b|\byear\b.*\bborn\b|\bhow old am i\b|\bmy (?:birth ?year|age|birthday)\b/i, 'birthYear'],
  [/\bwhere (?:was i born|am i from|do i come from)\b|\bmy (?:birth ?place|home ?town)\b/i, 'birthPlace'],
  [/\bwhere did i grow up\b/i, 'grewUp'],
  [/\bwhere do i live\b|\bmy address\b/i, 'home'],
  [/\bwhat (?:do|did|was) i (?:do|work)\b|\bmy (?:job|work|occupation|profession|career)\b/i, 'work'],
];

function recallOf(raw: string): keyof Facts | { about: string } | 'all' {
  const text = straighten(raw);
  for (const [pattern, which] of recalls) if (pattern.test(text)) return which;
  const possessive = /\bmy (?:\w+ )??(\w+)'s name\b|\bwho (?:is|was) my (\w+)/i.exec(text);
  const owner = possessive?.[1] ?? possessive?.[2];
  if (owner !== undefined) return { about: owner.toLowerCase() };
  const topic =
    /\b(?:about|of)\s+(?:my |the |our |an? )?([\p{L}][\p{L} '-]*?)\s*[?.!]*$/iu.exec(text)?.[1] ??
    /\b(?:remember|recall|mention(?:ed)?|know|my)\s+(?:my |the |our |an? )?([\p{L}][\p{L} '-]*?)\s*[?.!]*$/iu.exec(
      text,
    )?.[1];
  if (
    topic === undefined ||
    /^(?:me|us|myself|it|that|this|so far|everything|anything|what|far|i|we|about)\b/i.test(topic)
  )
    return 'all';
  return { about: topic.toLowerCase() };
}

export const english: Language = {
  intent,
  mood: (text) => moods.find(([, pattern]) => pattern.test(text))?.[0] ?? 'plain',
  facts: factsOf,
  nameOfOther,
  leadsWithPerson: /^(?:(?:and|but|so|well|yes|then|oh)\W+)*(?:my|our)\s/i,
  isAddress: () => true,
  reflect,
  quote,
  recallOf,
  tell,
  tellOne,
  topics,
  about,
  personPhrase,
  openers,
  deepeners,
  fieldQuestions: {
    nickname: 'what would you like me to call you',
    birthYear: 'in which year were you born',
    birthPlace: 'where were you born',
    grewUpPlace: 'where did you grow up',
    occupation: 'what is your work, or what was it',
  },
  joinQuestions(questions) {
    const joined = questions.join(', and ');
    return `${joined.charAt(0).toUpperCase()}${joined.slice(1)}?`;
  },
  phrases,
  join: (sentences) => sentences.join(' '),
};
