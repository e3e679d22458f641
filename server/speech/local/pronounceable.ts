/** What Flite reads as something else, or not at all, in letters that it knows. */
const spellings: readonly (readonly [RegExp, string])[] = [
  [/[\u2018\u2019\u02bc]/g, "'"],
  [/[\u201c\u201d\u00ab\u00bb"]/g, ' '],
  [/\s*[\u2013\u2014]\s*/g, ', '],
  [/\u2026/g, '. '],
  [/\u00df/g, 'ss'],
  [/\u00e6/g, 'ae'],
  [/\u00c6/g, 'Ae'],
  [/\u0153/g, 'oe'],
  [/\u00f8/g, 'o'],
  [/\u00d8/g, 'O'],
  [/\u20ac\s?(\d[\d.,]*\d|\d)/g, '$1 euros'],
  [/\u00a3\s?(\d[\d.,]*\d|\d)/g, '$1 pounds'],
  [/\u00b0/g, ' degrees '],
];

/** Letters and digits, of any script. */
const anyLetter = /[\p{L}\p{N}]/gu;
const knownLetter = /[A-Za-z0-9]/g;

/** Flite takes time with the square of a word and the length of a text. */
const longestWord = 40;
const longestPiece = 160;

/**
 * A text in ASCII pieces that Flite says in a moment each, in order. None when there is nothing to say in it; `undefined`
 * when most of it is in a script that Flite cannot say.
 */
export function pronounceable(text: string): string[] | undefined {
  let spelled = text;
  for (const [written, said] of spellings) spelled = spelled.replace(written, said);
  const letters = spelled.normalize('NFKD').replace(/\p{M}/gu, '');
  const all = letters.match(anyLetter)?.length ?? 0;
  const known = letters.match(knownLetter)?.length ?? 0;
  if (all === 0) return [];
  if (known * 2 < all) return undefined;
  const ascii = letters.replace(/[^\x20-\x7e]+/g, ' ').replace(new RegExp(`(\\w{${longestWord}})(?=\\w)`, 'g'), '$1 ');
  return cut(ascii.replace(/\s+/g, ' ').trim()).filter((piece) => /[A-Za-z0-9]/.test(piece));
}

function cut(text: string): string[] {
  const pieces: string[] = [];
  let rest = text;
  while (rest.length > longestPiece) {
    const head = rest.slice(0, longestPiece);
    const clause = Math.max(...[', ', '; ', ': ', '. ', '? ', '! '].map((mark) => head.lastIndexOf(mark)));
    const space = head.lastIndexOf(' ');
    const end = clause > longestPiece / 3 ? clause + 1 : space > 0 ? space : longestPiece;
    pieces.push(rest.slice(0, end));
    rest = rest.slice(end).trimStart();
  }
  return rest === '' ? pieces : [...pieces, rest];
}
