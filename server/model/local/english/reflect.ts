const filler =
  /^(?:(?:and|but|so|well|yes|yeah|no|oh|ok|okay|because|then|also|hello|hi|hey|actually|anyway|i mean|you know|i think|i guess|i remember that)\b[\s,!]*)+/i;
const lowered =
  /^(?:There|When|The|A|An|It|He|She|They|One|Every|In|On|At|After|Before|Once|This|That|These|Those|His|Her|As|Their|All|Most|Many|Some|Both|Sometimes|Often|Always|Even|Each|During|Until)\b/;
const unfit =
  /\b(?:you|your|yours|you're|thanks?|my name|call me|i(?:'m| am) called|i want to (?:talk|tell)|i(?:'d| would) like to (?:talk|tell))\b/i;
const cut = /,|\s(?=(?:but|because|so|when|while|which|although|until|and then|and (?:i|we|my|he|she|they|it))\b)/i;

const swaps: readonly [RegExp, string][] = [
  [/\bI(\s(?:always|never|also|really|just|still|only|often|once|then|certainly))?\s(?:am)\b/gi, 'you$1 are'],
  [/\bI(\s(?:always|never|also|really|just|still|only|often|once|then|certainly))?\swas\b/gi, 'you$1 were'],
  [/\bI(\s(?:always|never|also|really|just|still|only|often|once|then|certainly))?\swasn't\b/gi, "you$1 weren't"],
  [/\bI'm not\b/gi, "you're not"],
  [/\bI'm\b/gi, "you're"],
  [/\b(?:am) I\b/gi, 'are you'],
  [/\bwas I\b/gi, 'were you'],
  [/\bI('ve|'d|'ll)\b/gi, 'you$1'],
  [/\bwe('re|'ve|'d|'ll)\b/gi, 'you$1'],
  [/\b(?:I|me|we|us)\b/gi, 'you'],
  [/\b(?:my|our)\b/gi, 'your'],
  [/\b(?:mine|ours)\b/gi, 'yours'],
  [/\bmyself\b/gi, 'yourself'],
  [/\bourselves\b/gi, 'yourselves'],
];

/**
 * Says a clause back with the persons exchanged, as ELIZA did (Weizenbaum 1966), but only a clause that survives it:
 * short, about the speaker, addressed to nobody.
 */
export function reflect(text: string): string | undefined {
  let best: string | undefined;
  let bestScore = 0;
  for (const sentence of text.replaceAll('’', "'").split(/(?<=[.!?;…\n])\s*/)) {
    if (sentence.includes('?')) continue;
    for (const clause of clauses(sentence)) {
      const score = weigh(clause);
      if (score >= bestScore && score > 0) [best, bestScore] = [clause, score];
    }
  }
  return best === undefined ? undefined : exchange(best);
}

function clauses(sentence: string): string[] {
  const bare = clean(sentence);
  if (bare.split(/\s+/).length <= 13) return [bare];
  const [first = '', ...others] = bare.split(cut);
  const pieces = [first, ...others.filter((piece) => /^\s*(?:and |but )?(?:I|we|my)\b/i.test(piece))];
  return pieces.map(clean).filter((piece) => piece.split(/\s+/).length <= 15);
}

function clean(text: string): string {
  return text
    .trim()
    .replace(filler, '')
    .replace(/[\s.!;,:…"“”]+$/u, '')
    .replace(/["“”]/g, '');
}

function weigh(clause: string): number {
  const words = clause.split(/\s+/).length;
  if (words < 3 || unfit.test(clause) || !/\b(?:I|my|me|we|our|us)\b/i.test(clause)) return 0;
  const leads = /^(?:I|we|my|our)\b/i.test(clause);
  if (!leads && !lowered.test(clause)) return 0;
  return (
    (leads ? 4 : 2) +
    Math.min(words, 10) / 10 +
    (/\b(?:felt|feel|loved?|hated?|miss|afraid|proud|happy)\b/i.test(clause) ? 1 : 0)
  );
}

function exchange(clause: string): string {
  let said = lowered.test(clause) ? clause.charAt(0).toLowerCase() + clause.slice(1) : clause;
  for (const [person, other] of swaps) said = said.replace(person, other);
  return said;
}

const about = (word: string): RegExp => new RegExp(`(?<![\\p{L}])${word.replace(/[^\p{L}\p{N} ]/gu, '.')}`, 'iu');

/** The first sentence that speaks of `word`, at most 160 characters of it. */
export function quote(text: string, word: string): string | undefined {
  const said = text.split(/(?<=[.!?…\n])\s+/).find((sentence) => !sentence.includes('?') && about(word).test(sentence));
  if (said === undefined) return undefined;
  const bare = said.trim().replace(/["“”]/g, '');
  return bare.length <= 160 ? bare : `${bare.slice(0, 159).replace(/\s\S*$/, '')}…`;
}
