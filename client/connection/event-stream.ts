/** One server-sent event. `data` lines are joined with line breaks; `id` is the last one that was set. */
export interface ServerSentEvent {
  type: string;
  data: string;
  id: string;
}

/** Characters that an event may have before its end has come. */
const mostCharacters = 8 * 1024 * 1024;

/** Reads `text/event-stream` (HTML Standard, section 9.2.6) from pieces of text that may be cut anywhere. */
export class EventStreamParser {
  readonly #onEvent: (event: ServerSentEvent) => void;
  #rest = '';
  #type = '';
  #data: string[] = [];
  #id = '';
  #isFirst = true;

  constructor(onEvent: (event: ServerSentEvent) => void) {
    this.#onEvent = onEvent;
  }

  /** @throws RangeError when an event grows beyond all measure */
  push(piece: string): void {
    let text = this.#rest + piece;
    if (this.#isFirst && text !== '') {
      this.#isFirst = false;
      if (text.startsWith('\uFEFF')) text = text.slice(1);
    }
    let at = 0;
    for (;;) {
      const end = nextBreak(text, at);
      if (end === undefined) break;
      this.#line(text.slice(at, end.from));
      at = end.to;
    }
    this.#rest = text.slice(at);
    if (this.#rest.length > mostCharacters) throw new RangeError('The event is too long.');
  }

  #line(line: string): void {
    if (line === '') {
      this.#dispatch();
      return;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'event') this.#type = value;
    else if (field === 'data') this.#data.push(value);
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
  }

  #dispatch(): void {
    const type = this.#type || 'message';
    const data = this.#data;
    this.#type = '';
    this.#data = [];
    if (data.length > 0) this.#onEvent({ type, data: data.join('\n'), id: this.#id });
  }
}

/** A carriage return at the very end is left for the next piece: a line feed may follow it and belong to it. */
function nextBreak(text: string, start: number): { from: number; to: number } | undefined {
  for (let i = start; i < text.length; i++) {
    if (text[i] === '\n') return { from: i, to: i + 1 };
    if (text[i] !== '\r') continue;
    if (i + 1 === text.length) return undefined;
    return { from: i, to: text[i + 1] === '\n' ? i + 2 : i + 1 };
  }
  return undefined;
}
