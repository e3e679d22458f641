import { createInterface, type Interface } from 'node:readline';

/** Lines that may wait while an answer is spoken; then the input is not read on. */
const mostWaiting = 1_000;

/** Lines of standard input, from a person or a pipe. */
export class Lines {
  /** Whether a person types them. */
  readonly isTyped: boolean;
  readonly #readline: Interface;
  #waiting: string[] = [];
  #isClosed = false;
  #wake: (() => void) | undefined;

  /** @param onInterrupt Ctrl-C, however it comes. */
  constructor(onInterrupt: () => void) {
    this.isTyped = process.stdin.isTTY === true && process.stdout.isTTY === true;
    this.#readline = createInterface({
      input: process.stdin,
      ...(this.isTyped && { output: process.stdout, prompt: 'you > ' }),
      terminal: this.isTyped,
      crlfDelay: Number.POSITIVE_INFINITY,
    });
    this.#readline.on('line', (line) => {
      this.#waiting.push(line);
      if (this.#waiting.length >= mostWaiting) this.#readline.pause();
      this.#wake?.();
    });
    this.#readline.on('close', () => {
      this.#isClosed = true;
      this.#wake?.();
    });
    this.#readline.on('SIGINT', onInterrupt);
    process.on('SIGINT', onInterrupt);
  }

  /** The next line that says something; undefined at the end of the input. */
  async next(): Promise<string | undefined> {
    for (;;) {
      const line = this.#waiting.shift()?.trim();
      if (line) return line;
      if (line === '') continue;
      if (this.#isClosed) return undefined;
      this.#readline.resume();
      if (this.isTyped) this.#readline.prompt();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.#waiting = [];
    this.#readline.close();
  }
}
