const open = '<think>';
const close = '</think>';

/**
 * Keeps a model's thinking out of its answer where a service leaves it in the content: `<think>…</think>` at the very
 * beginning, cut anywhere. It also keeps the two halves of a character together.
 */
export class ReasoningFilter {
  #state: 'beginning' | 'thinking' | 'after' | 'answer' = 'beginning';
  #held = '';

  /** The part of the answer that is certain by now. */
  push(content: string): string {
    let text = this.#held + content;
    this.#held = '';
    if (this.#state === 'beginning') {
      const start = text.trimStart();
      if (start.startsWith(open)) {
        this.#state = 'thinking';
        text = start.slice(open.length);
      } else if (open.startsWith(start)) {
        this.#held = text;
        return '';
      } else {
        this.#state = 'answer';
      }
    }
    if (this.#state === 'thinking') {
      const end = text.indexOf(close);
      if (end < 0) {
        this.#held = text.slice(-(close.length - 1));
        return '';
      }
      this.#state = 'after';
      text = text.slice(end + close.length);
    }
    if (this.#state === 'after') {
      text = text.trimStart();
      if (text === '') return '';
      this.#state = 'answer';
    }
    const last = text.charCodeAt(text.length - 1);
    if (last < 0xd800 || last > 0xdbff) return text;
    this.#held = text.slice(-1);
    return text.slice(0, -1);
  }

  /** What was held back and is an answer after all. Thinking that was never closed stays thinking. */
  end(): string {
    const rest = this.#state === 'beginning' ? this.#held : '';
    this.#held = '';
    return rest;
  }

  get isThinking(): boolean {
    return this.#state === 'thinking';
  }
}
