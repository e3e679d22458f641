import type { TurnRecord } from '@parley/client/react';

export type Sentence = TurnRecord['sentences'][number];

/** A letter or a digit: what is left of a sentence when its marks of markdown are gone. */
const sign = /[\p{L}\p{N}]/u;

function lettersOf(text: string): string {
  let letters = '';
  for (const char of text) if (sign.test(char)) letters += char;
  return letters;
}

interface Place {
  node: Text;
  offset: number;
  length: number;
}

/**
 * Where a sentence of an answer is on the screen. `before` is the text of its bubble up to it, as the model wrote it: with
 * marks that the screen does not have, and addresses of links that it does not show, so that both are compared by letters.
 */
export function rangeOf(element: Element, before: string, sentence: string): Range | undefined {
  const wanted = lettersOf(sentence);
  if (wanted === '') return undefined;
  const places: Place[] = [];
  let letters = '';
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!(node instanceof Text)) continue;
    let offset = 0;
    for (const char of node.data) {
      if (sign.test(char)) {
        for (let unit = 0; unit < char.length; unit++) places.push({ node, offset, length: char.length });
        letters += char;
      }
      offset += char.length;
    }
  }
  const expected = lettersOf(before).length;
  const at = nearest(letters, wanted, expected);
  const first = places[at];
  const last = places[at + wanted.length - 1];
  if (at < 0 || !first || !last) return undefined;
  const range = new Range();
  range.setStart(first.node, first.offset);
  range.setEnd(last.node, endOf(last.node.data, last.offset + last.length));
  return range;
}

/** With the marks that end a sentence. */
function endOf(text: string, from: number): number {
  return from + (/^[\p{P}\p{S}]*/u.exec(text.slice(from, from + 8))?.[0].length ?? 0);
}

/** The place of `wanted` that is nearest to where it should be; addresses that are not shown put it before that. */
function nearest(text: string, wanted: string, expected: number): number {
  const before = text.lastIndexOf(wanted, expected);
  const after = text.indexOf(wanted, expected);
  if (before < 0 || after < 0) return Math.max(before, after);
  return expected - before <= after - expected ? before : after;
}

/** Lights a part of the page without touching its elements. Browsers that cannot leave it dark. */
export function light(name: string, range: Range | undefined): void {
  if (typeof Highlight === 'undefined' || !('highlights' in CSS)) return;
  if (range) CSS.highlights.set(name, new Highlight(range));
  else CSS.highlights.delete(name);
}
