/** The longest line, in UTF-16 code units, that is taken for one: a whole answer is far shorter. */
const longestLine = 1_000_000;

/**
 * Takes the `data` out of server-sent events (HTML Living Standard, 9.2.6), whatever way their bytes are cut: inside a
 * character, between CR and LF, inside a field name. Everything else in the stream is passed over.
 */
export class EventData {
  readonly #decoder = new TextDecoder();
  #line = '';
  #data: string | undefined;
  #endsInReturn = false;

  /** The data of the events that these bytes complete. Throws RangeError when a line does not end. */
  push(bytes: Uint8Array): string[] {
    return this.#take(this.#decoder.decode(bytes, { stream: true }));
  }

  /** The data of an event that the end of the stream completes: some services leave the last empty line out. */
  end(): string[] {
    return this.#take(`${this.#decoder.decode()}\n\n`);
  }

  #take(text: string): string[] {
    const found: string[] = [];
    const lines = (this.#line + this.#unify(text)).split('\n');
    this.#line = lines.pop() ?? '';
    if (this.#line.length > longestLine) throw new RangeError('a line of the event stream does not end');
    for (const line of lines) {
      if (line === '') {
        if (this.#data !== undefined) found.push(this.#data);
        this.#data = undefined;
      } else if (line.startsWith('data:')) {
        const value = line.charCodeAt(5) === 0x20 ? line.slice(6) : line.slice(5);
        this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`;
      }
    }
    return found;
  }

  /** All three line ends of the standard as LF. */
  #unify(text: string): string {
    const rest = this.#endsInReturn && text.startsWith('\n') ? text.slice(1) : text;
    if (text !== '') this.#endsInReturn = text.endsWith('\r');
    return rest.includes('\r') ? rest.replace(/\r\n?/g, '\n') : rest;
  }
}
