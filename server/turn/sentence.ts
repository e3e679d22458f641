import type { Piece } from './bubble.ts';
import { SentenceBreak, segmenter } from './sentence-break.ts';
import { fenceIn, isClause, isCloser, isStop, symmetric, weigh } from './sentence-mark.ts';

export interface Sentence {
  /** 0, 1, 2 … over the whole answer. */
  sentence: number;
  /** With the whitespace that follows it: concatenated, the sentences are the answer. */
  text: string;
  bubble: number;
  /** Set on what is of a code block: shown, not spoken. */
  code?: true;
}

/** In the units of `weigh`: the first sentence may end at a comma from here on (25 Latin or 10 Chinese characters). */
const firstClause = 50;
/** No sentence is longer (300 Latin or 120 Chinese characters), but for its closing marks and whitespace. */
const longest = 600;
/** What is cut off a sentence that is too long is not shorter than this. */
const shortest = longest / 3;
const lineKept = 64;
const wordWindow = 48;

const whitespace = /\s/;
const plain = /[A-Za-z0-9\u4e00-\u9fff\u3041-\u3096\u30a1-\u30fa\uac00-\ud7a3]/;

/** A place where a sentence that is too long can be cut: how far into it, in characters and in weight. */
interface Place {
  at: number;
  weight: number;
}
const nowhere: Place = { at: 0, weight: 0 };

/** What was read behind a mark that ends a sentence or a clause, perhaps. */
interface Tail {
  kind: 'stop' | 'clause' | 'line';
  marks: string;
  closed: boolean;
  closing: string;
  spaced: boolean;
  line: string;
  weight: number;
}

/**
 * Cuts an answer into speakable sentences while it comes. It reads each character once and decides by the ones before it and the first one
 * after the end, so that the sentences are the same for any chunking, each is out as soon as its end is certain, and no more than
 * a sentence is kept. A bubble or a line always ends one; so does, in the first, a comma after a few words: speech then starts early.
 */
export class SentenceSplitter {
  readonly #break: SentenceBreak;
  readonly #words: Intl.Segmenter;
  #out: Sentence[] = [];
  #number = 0;
  #bubble = 0;
  /** The sentence being read, and how much of it has been. */
  #text = '';
  #at = 0;
  #weight = 0;
  #filled = false;
  #tail: Tail | undefined;
  #clause = nowhere;
  #space = nowhere;
  #row = nowhere;
  /** The beginning of the line being read, whole while it is short, and its end. */
  #line = '';
  #lineEnd = '';
  /** Of a code block being read: its opening, and whether that line still is the opening. */
  #fence = '';
  #opening = false;
  #code = false;
  /** The symmetric marks that are open in this line, and the character before. */
  readonly #open = new Set<string>();
  #previous = '';

  constructor({ locale }: { locale?: string | undefined } = {}) {
    this.#break = new SentenceBreak(locale);
    this.#words = segmenter(locale, 'word');
  }

  push(piece: Piece): Sentence[] {
    if (piece.bubble !== this.#bubble) {
      this.#finish();
      this.#bubble = piece.bubble;
    }
    this.#text += piece.text;
    this.#scan(false);
    return this.#take();
  }

  /** The rest, at the end of the answer. */
  end(): Sentence[] {
    this.#finish();
    return this.#take();
  }

  #take(): Sentence[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }

  #finish(): void {
    this.#scan(true);
    this.#cut({ at: this.#text.length, weight: this.#weight });
    this.#fence = '';
    this.#opening = false;
    this.#code = false;
    this.#filled = false;
    this.#tail = undefined;
    this.#startLine();
  }

  #scan(final: boolean): void {
    while (this.#at < this.#text.length) {
      const code = this.#text.codePointAt(this.#at) ?? 0;
      // Half of a character, whose other half has yet to come.
      if (!final && code >= 0xd800 && code <= 0xdbff && this.#at === this.#text.length - 1) return;
      const char = String.fromCodePoint(code);
      if (this.#tail) this.#readTail(this.#tail, char);
      this.#at += char.length;
      this.#weight += this.#filled || !whitespace.test(char) ? weigh(code) : 0;
      if (!this.#tail) this.#read(char);
      this.#followLine(char);
    }
  }

  /** A character within a sentence; `#at` is already behind it. */
  #read(char: string): void {
    if (whitespace.test(char)) {
      if (this.#filled && char === '\n') this.#begin('line', char);
      else if (this.#filled) this.#space = { at: this.#at, weight: this.#weight };
      return;
    }
    this.#filled = true;
    // More than once after a long run of spaces, which is measured by what follows it.
    while (this.#weight > longest) this.#shorten(char);
    if (this.#fence !== '' || plain.test(char)) return;
    if (isStop(char)) this.#begin('stop', char);
    else if (isClause(char)) this.#begin('clause', char);
  }

  #begin(kind: Tail['kind'], char: string): void {
    const line = this.#lineEnd + char;
    this.#tail = { kind, marks: char, closed: false, closing: '', spaced: kind === 'line', line, weight: this.#weight };
  }

  /** A character after a mark: part of the end of the sentence, or the one that decides it and begins what follows. */
  #readTail(tail: Tail, char: string): void {
    if (whitespace.test(char)) {
      tail.spaced = true;
      if (char === '\n') tail.kind = 'line';
      return;
    }
    const room = this.#weight - tail.weight < longest;
    if (!tail.spaced && room) {
      if (tail.kind === 'stop' && !tail.closed && isStop(char)) {
        tail.marks += char;
        tail.line += char;
        return;
      }
      if (isCloser(char) || (symmetric.has(char) && (char === tail.closing || this.#open.has(char)))) {
        tail.closed = true;
        tail.closing = char;
        return;
      }
    }
    this.#tail = undefined;
    const here = { at: this.#at, weight: this.#weight };
    if (!room || this.#ends(tail, char)) this.#cut(here);
    else if (tail.kind === 'line') this.#row = here;
    else if (tail.kind === 'clause' && (tail.spaced || /[^\p{L}\p{N}]|\p{Lo}/u.test(char))) this.#clause = here;
    else if (tail.spaced) this.#space = here;
  }

  #ends(tail: Tail, next: string): boolean {
    if (tail.kind === 'line') return this.#fence === '' || this.#weight > longest / 2;
    if (tail.kind === 'stop') return this.#break.ends({ ...tail, next });
    if (this.#number > 0 || tail.weight < firstClause || isClause(next) || isStop(next)) return false;
    // 1,000 and 10:30 go on; so does a list of words.
    return tail.marks !== '、' && (tail.spaced || /[，；：]/.test(tail.marks) || /\p{Lo}/u.test(next));
  }

  /** Cuts a sentence that is too long, before `char`: at a clause, else at a word, else anywhere. */
  #shorten(char: string): void {
    const places = this.#fence === '' ? [this.#clause, this.#space] : [this.#row, this.#space];
    const place = places.find(({ weight }) => weight >= shortest);
    if (place) {
      this.#cut(place);
      return;
    }
    const end = this.#at - char.length;
    let at = end;
    // The last word of the window may go on behind it.
    let start = Math.max(0, end - wordWindow);
    if (/[\udc00-\udfff]/.test(this.#text.charAt(start))) start++;
    for (const { index } of this.#words.segment(this.#text.slice(start, end))) if (index > 0) at = start + index;
    let weight = this.#weight - weigh(char.codePointAt(0) ?? 0);
    for (const behind of this.#text.slice(at, end)) weight -= weigh(behind.codePointAt(0) ?? 0);
    this.#cut({ at, weight });
  }

  /** What is before `place` is a sentence; reading goes on behind it where it was. */
  #cut(place: Place): void {
    const text = this.#text.slice(0, place.at);
    const code = this.#code && ({ code: true } as const);
    if (text !== '') this.#out.push({ sentence: this.#number++, text, bubble: this.#bubble, ...code });
    this.#text = this.#text.slice(place.at);
    this.#at -= place.at;
    this.#weight -= place.weight;
    const left = ({ at, weight }: Place) =>
      at > place.at ? { at: at - place.at, weight: weight - place.weight } : nowhere;
    this.#clause = left(this.#clause);
    this.#space = left(this.#space);
    this.#row = left(this.#row);
    this.#code = this.#fence !== '';
  }

  #startLine(): void {
    this.#line = '';
    this.#lineEnd = '';
    this.#open.clear();
    this.#previous = '';
    this.#opening = false;
  }

  /** Follows the line: code blocks, and quotes and emphasis that are open. */
  #followLine(char: string): void {
    if (char === '\n') {
      this.#startLine();
      return;
    }
    if (this.#line.length < lineKept) this.#line += char;
    this.#lineEnd = (this.#lineEnd + char).slice(-lineKept);
    if (char === '`' || char === '~') this.#followFence(char);
    if (symmetric.has(char) && char !== this.#previous && !this.#open.delete(char)) this.#open.add(char);
    this.#previous = char;
  }

  #followFence(char: string): void {
    const run = this.#line === this.#lineEnd ? fenceIn(this.#line) : undefined;
    if (this.#fence === '') {
      if (!run) return;
      this.#fence = run;
      this.#opening = true;
      this.#code = true;
    } else if (this.#opening) {
      if (run) this.#fence = run;
      // Code between backticks on one line is no block.
      else if (char === '`' && this.#fence.startsWith('`')) {
        this.#fence = '';
        this.#code = false;
      }
    } else if (run?.startsWith(this.#fence)) this.#fence = '';
  }
}
