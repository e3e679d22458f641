/** What the model writes to begin another bubble. It never reaches a client. */
export const separator = '[SPLIT]';

/** An answer has at most this many bubbles; what would begin another one goes on in the last. */
export const mostBubbles = 20;

/** What ends a bubble: the separator; also a blank line between paragraphs; or nothing. The separator is removed in any case. */
export type BubbleMode = 'separator' | 'paragraph' | 'none';

export interface Piece {
  bubble: number;
  text: string;
}

/** What a line is, as far as it decides whether the blank line before it ends a bubble. */
type Line = 'list' | 'table' | 'fence' | 'indented' | 'text';

const listMarker = /^(?:[-*+•](?=\s)|\d{1,3}(?:[.)](?=\s)|、))/;
/** The beginnings that could still become something else than text. */
const undecided = /^(?:[-*+]|\d{1,3}[.)]?|`{1,2}|~{1,2})$/;

function classify(head: string, indented: boolean): Line {
  if (head.startsWith('```') || head.startsWith('~~~')) return 'fence';
  if (listMarker.test(head)) return 'list';
  if (head.startsWith('|')) return 'table';
  return indented ? 'indented' : 'text';
}

/** Whether lines with a blank one between them belong together: the items of a list, the rows of a table. */
function continues(before: Line, after: Line): boolean {
  if (before === 'list') return after === 'list' || after === 'indented';
  return before === 'table' && after === 'table';
}

/** How much of the end of `text` could be the beginning of a separator. */
function overlap(text: string): number {
  for (let size = Math.min(separator.length - 1, text.length); size > 0; size--)
    if (text.endsWith(separator.slice(0, size))) return size;
  return 0;
}

/**
 * Cuts the text of a model, as it comes, into bubbles numbered 0, 1, … without holes. The pieces, concatenated, are the text
 * without its separators, for any chunking; whitespace around a separator stays with the bubble before it, so that no bubble is empty
 * or blank. An answer of nothing but whitespace has no pieces. Held back is only what could still become a separator, a
 * line's first characters after a blank line (mode 'paragraph'), and whitespace that the answer begins with.
 */
export class BubbleSplitter {
  readonly #mode: BubbleMode;
  #pieces: Piece[] = [];
  /** Held back: the beginning of a separator, perhaps. */
  #held = '';
  #bubble = 0;
  /** Whitespace that the answer begins with. */
  #lead = '';
  /** Whether the bubble has anything but whitespace. */
  #filled = false;
  /** A separator has been read: the next character that is not whitespace begins a bubble. */
  #separated = false;
  /** A separator was removed right here. What is on its two sides stays two pieces, or it could read as a separator. */
  #apart = false;
  /** The line being read: what is known of its beginning, and whether it is decided what it is. */
  #head = '';
  #decided = false;
  #indent = 0;
  /** The last line that was not blank. */
  #before: Line = 'text';
  #blank = false;
  #fenced = '';

  constructor(mode: BubbleMode) {
    this.#mode = mode;
  }

  push(text: string): Piece[] {
    let rest = this.#held + text;
    for (let at = rest.indexOf(separator); at >= 0; at = rest.indexOf(separator)) {
      this.#read(rest.slice(0, at));
      if (this.#mode !== 'none') this.#separate();
      this.#apart = true;
      rest = rest.slice(at + separator.length);
    }
    const held = overlap(rest);
    this.#held = held > 0 ? rest.slice(-held) : '';
    this.#read(held > 0 ? rest.slice(0, -held) : rest);
    return this.#take();
  }

  /** The rest, at the end of the answer. */
  end(): Piece[] {
    this.#read(this.#held);
    this.#held = '';
    this.#decide();
    this.#lead = '';
    return this.#take();
  }

  #take(): Piece[] {
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }

  #separate(): void {
    this.#decide();
    this.#separated = true;
    this.#fenced = '';
    this.#startLine();
    this.#blank = false;
    this.#before = 'text';
  }

  #read(text: string): void {
    if (text === '') return;
    if (this.#mode !== 'paragraph') {
      this.#write(text);
      return;
    }
    for (let i = 0; i < text.length; ) {
      if (this.#decided) {
        // Nothing on this line can end a bubble any more.
        const end = text.indexOf('\n', i);
        const next = end < 0 ? text.length : end + 1;
        this.#write(text.slice(i, next));
        if (end >= 0) this.#startLine();
        i = next;
      } else this.#readHead(text.charAt(i++));
    }
  }

  /** A character of a line whose kind is not known yet. */
  #readHead(char: string): void {
    if (this.#head === '' && /\s/.test(char)) {
      this.#write(char);
      if (char !== '\n') this.#indent += char === '\t' ? 4 : 1;
      else {
        this.#blank = true;
        this.#startLine();
      }
      return;
    }
    this.#head += char;
    if (!undecided.test(this.#head)) this.#decide();
    if (char === '\n') this.#startLine();
  }

  #startLine(): void {
    this.#head = '';
    this.#decided = false;
    this.#indent = 0;
  }

  /** The line is what its beginning says: ends the bubble before it, or not. */
  #decide(): void {
    if (this.#head === '') return;
    const line = classify(this.#head, this.#indent >= 2);
    if (this.#fenced !== '') {
      if (line === 'fence' && this.#head.startsWith(this.#fenced)) this.#fenced = '';
    } else {
      if (this.#blank && !continues(this.#before, line)) this.#separated = true;
      if (line === 'fence') this.#fenced = this.#head.slice(0, 3);
      // Text that hangs below a list item is still of the list.
      this.#before = line === 'indented' && this.#before === 'list' ? 'list' : line;
    }
    this.#blank = false;
    this.#decided = true;
    this.#write(this.#head);
    this.#head = '';
  }

  #write(text: string): void {
    const start = text.search(/\S/);
    if (start < 0) {
      if (this.#filled || this.#bubble > 0) this.#emit(text);
      else this.#lead += text;
      return;
    }
    if (this.#separated && this.#filled && this.#bubble < mostBubbles - 1) {
      this.#emit(text.slice(0, start));
      this.#bubble++;
      this.#emit(text.slice(start));
    } else this.#emit(this.#lead + text);
    this.#separated = false;
    this.#filled = true;
    this.#lead = '';
  }

  #emit(text: string): void {
    if (text === '') return;
    const last = this.#pieces.at(-1);
    if (last?.bubble === this.#bubble && !this.#apart) last.text += text;
    else this.#pieces.push({ bubble: this.#bubble, text });
    this.#apart = false;
  }
}
