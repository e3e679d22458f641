/** What the characters at the end of a sentence mean: which end it, which may follow the end, and when a full stop is none. */

const stop = /[\p{Sentence_Terminal}…⋯]/u;
const closer = /[\p{Pe}\p{Pf}']|\p{Extended_Pictographic}|\p{Emoji_Modifier}|\u200d|\ufe0f/u;
const clause = /[,;:，；：、—–]/;

/** Ends a sentence, perhaps. */
export function isStop(char: string): boolean {
  return stop.test(char);
}

/** Ends a part of a sentence, perhaps: a place to draw breath. */
export function isClause(char: string): boolean {
  return clause.test(char);
}

/** Closing brackets and quotes, and emoji: right behind the end of a sentence they belong to it. */
export function isCloser(char: string): boolean {
  return closer.test(char);
}

/** Quotes and emphasis that open and close with the same character. */
export const symmetric: ReadonlySet<string> = new Set(['"', '*', '_', '`', '~']);

const wide = (code: number) => (code >= 0x2e80 && code <= 0xffef) || (code >= 0x20000 && code <= 0x3ffff);

/** How long a character takes to say, about: 2 for a Latin one, 5 for a Chinese one. */
export function weigh(code: number): number {
  return wide(code) ? 5 : 2;
}

/** Abbreviations that a name or an example follows: never the end of a sentence. */
const abbreviations: ReadonlySet<string> = new Set(
  (
    'dr mr mrs ms mx prof rev hon fr st mt gen col maj capt cmdr lt sgt adm sen rep gov pres supt ' +
    'vs cf viz resp incl excl approx ca dept univ assn bros'
  ).split(' '),
);
/** Abbreviations that end no sentence when a number follows. */
const numbered: ReadonlySet<string> = new Set(
  (
    'no nos nr fig figs vol vols pp ch chap sec sect art eq ref tab par para est max min tel ext ' +
    'jan feb mar apr jun jul aug sep sept oct nov dec'
  ).split(' '),
);

/** `p.`, `J.`, `U.S.`, `e.g.`: single letters, each with its full stop. */
const initials = /^(?:\p{L}\.)*\p{L}$/u;
const degree = /^(?:Ph\.D|Ed\.D|M\.Sc|B\.Sc)$/i;

/** Whether a full stop after `word` (without it) belongs to an abbreviation, `next` being what follows the space. */
export function isAbbreviation(word: string, next: string): boolean {
  if (initials.test(word) || degree.test(word)) return true;
  const lower = word.toLowerCase();
  return abbreviations.has(lower) || (numbered.has(lower) && /\p{N}/u.test(next));
}

/** Whether `line`, up to its first full stop, is the number of a list's item. */
export function isListMarker(line: string): boolean {
  return /^[\s>*_#-]*(?:\d{1,3}|\p{L}|[ivx]{1,4})\.[*_]*\s*$/u.test(line);
}

/** The opening or closing of a code block at the end of the beginning of a line, inside quotes and lists too. */
export function fenceIn(line: string): string | undefined {
  return /^[\s>]*(?:(?:[-*+]|\d{1,3}[.)])\s+)?(`{3,}|~{3,})$/.exec(line)?.[1];
}
