import type { Heard } from '@parley/shared/turn';

/** One sentence of an answer as it was spoken. */
export interface SpokenSentence {
  sentence: number;
  bubble: number;
  text: string;
  /** How long its sound is, in milliseconds; 0 when nothing of it was sent. */
  ms: number;
}

export interface HeardAnswer {
  bubbles: string[];
  /** The rest, as one text. */
  unheard: string;
}

const letter = /[\p{L}\p{N}\p{M}'’]/u;
/** Scripts that are written without spaces: any character may end what was heard. */
const unspaced = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u;

/**
 * How much of a text was heard when `ratio` of its sound was played: cut at a word boundary, or behind any character of a
 * script without spaces, and never within one.
 */
function heardLength(text: string, ratio: number): number {
  if (ratio >= 1) return text.length;
  let at = Math.floor(text.length * Math.max(0, ratio));
  const inPair = (i: number): boolean =>
    /[\uDC00-\uDFFF]/.test(text.charAt(i)) && /[\uD800-\uDBFF]/.test(text.charAt(i - 1));
  const isInWord = (i: number): boolean => {
    const before = text.slice(0, i).match(/.$/u)?.[0] ?? '';
    const after = text.slice(i).match(/^./u)?.[0] ?? '';
    return letter.test(before) && letter.test(after) && !unspaced.test(before) && !unspaced.test(after);
  };
  while (at > 0 && (inPair(at) || isInWord(at))) at--;
  return at;
}

/** The bubbles that sentences make up, in order. */
export function bubblesOf(sentences: readonly SpokenSentence[]): string[] {
  const bubbles: string[] = [];
  for (const { bubble, text } of sentences) bubbles[bubble] = (bubbles[bubble] ?? '') + text;
  return bubbles;
}

/**
 * Cuts a spoken answer at what its listener has heard: the sentences before `heard.sentence` whole, and of that one the part
 * that `playedMs` is of its real length. What was never sent was never heard, whatever a report says.
 */
export function cutAtHeard(sentences: readonly SpokenSentence[], heard: Heard): HeardAnswer {
  const sent = sentences.findLast(({ ms }) => ms > 0)?.sentence ?? -1;
  let length = 0;
  for (const { sentence, text, ms } of sentences) {
    if (sentence > sent) break;
    if (sentence < heard.sentence) length += text.length;
    else if (sentence === heard.sentence && ms > 0) length += heardLength(text, heard.playedMs / ms);
  }
  const bubbles = bubblesOf(sentences);
  const whole = bubbles.join('');
  const kept: string[] = [];
  let left = length;
  for (const bubble of bubbles) {
    if (left <= 0) break;
    kept.push(bubble.slice(0, left));
    left -= bubble.length;
  }
  return { bubbles: kept, unheard: whole.slice(length) };
}

/** The report that tells of more. Reports may come late and in any order. */
export function further(a: Heard | null, b: Heard | null): Heard | null {
  if (!a || !b) return a ?? b;
  if (a.sentence !== b.sentence) return a.sentence > b.sentence ? a : b;
  return a.playedMs >= b.playedMs ? a : b;
}
