import { isAbbreviation, isListMarker, symmetric } from './sentence-mark.ts';

/** The end of a sentence, perhaps: what was read up to the first character that is not part of it. */
export interface Ending {
  /** The full stops, question marks and so on, without what closes after them. */
  marks: string;
  /** Whether quotes, brackets or emphasis close after them. */
  closed: boolean;
  spaced: boolean;
  /** The line as far as the marks, or the last part of it. */
  line: string;
  /** The character that follows. */
  next: string;
}

const letterWithoutCase = /\p{Lo}/u;
const lowercase = /\p{Ll}/u;
const opener = /[\p{Ps}\p{Pi}]/u;
const narrow = /^[.!?]+$/;
const lastWord = /[^\s\p{Lo}\p{Ps}\p{Pi}"'*_。！？，；：、…]*$/u;

/** Segmenters by locale and granularity: they hold no state, and take longer to make than to use. */
const made = new Map<string, Intl.Segmenter>();
const mostMade = 100;

/** A segmenter by the rules of a locale; by the default ones when the tag is none. */
export function segmenter(locale: string | undefined, granularity: 'sentence' | 'word'): Intl.Segmenter {
  const key = `${granularity} ${locale}`;
  const known = made.get(key) ?? make(locale, granularity);
  if (made.size < mostMade) made.set(key, known);
  return known;
}

function make(locale: string | undefined, granularity: 'sentence' | 'word'): Intl.Segmenter {
  try {
    return new Intl.Segmenter(locale, { granularity });
  } catch {
    return new Intl.Segmenter(undefined, { granularity });
  }
}

/**
 * Decides whether a sentence ends, by the rules of the locale (UAX #29 as Intl.Segmenter has them) after the cases in which those are
 * known to be wrong for speech: abbreviations, numbers of list items, names of files and hosts, quotes within a sentence.
 */
export class SentenceBreak {
  readonly #segmenter: Intl.Segmenter;

  constructor(locale: string | undefined) {
    this.#segmenter = segmenter(locale, 'sentence');
  }

  ends({ marks, closed, spaced, line, next }: Ending): boolean {
    if (!spaced && /[\p{L}\p{N}]/u.test(next) && !letterWithoutCase.test(next)) {
      // 3.14, a.txt, example.com?a=b, wait…what
      if (narrow.test(marks) || /^[….⋯]+$/.test(marks)) return false;
    }
    if (closed && spaced && lowercase.test(next)) return false;
    if (narrow.test(marks)) {
      if (!spaced && !letterWithoutCase.test(next)) return false;
      if (marks === '.') {
        const text = line.slice(0, -1);
        if (isListMarker(line) || isAbbreviation(lastWord.exec(text)?.[0] ?? '', next)) return false;
      }
    }
    // Enough for the rules: what comes before, what ends, what follows. They know an ellipsis only as full stops.
    const before = line.slice(0, line.length - marks.length).slice(-1);
    const sample = `${/[\ud800-\udfff\s]/.test(before) ? '' : before}${marks.slice(-3).replace(/[…⋯]/g, '.')}${spaced ? ' ' : ''}`;
    // What opens right after the end would pass for what closes: the letter stands for the text that it opens.
    const after = !spaced && (opener.test(next) || symmetric.has(next)) ? '字' : next;
    for (const { index } of this.#segmenter.segment(sample + after)) if (index === sample.length) return true;
    return false;
  }
}
