import { SpeechError } from '../speech/port.ts';

/** Sentences that end without an answer, with no sound of others in between, after which nothing more is expected. */
const mostUnanswered = 2;
/** How long all is quiet, once the text is whole, before it is over: longer than one sentence may take to begin. */
const quietMs = 30_000;

/** How long an answer waits for its speech: not for a service that is not there, sentence by sentence. */
export class Patience {
  readonly #over = new AbortController();
  #unanswered = 0;
  #isWhole = false;
  #timer: NodeJS.Timeout | undefined;

  /** Aborts, with SpeechError, when it is over. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** Sound has come. */
  heard(): void {
    this.#unanswered = 0;
    this.moved();
  }

  /** Sound is on its way, from the service or to the listener. */
  moved(): void {
    clearTimeout(this.#timer);
    if (this.#isWhole) this.#timer = setTimeout(() => this.#end(), quietMs);
  }

  /** A sentence has failed without any sound. */
  silent(error: unknown): void {
    if (error instanceof SpeechError && error.unanswered && ++this.#unanswered >= mostUnanswered) this.#end();
  }

  /** The text is whole: from now on sound has to keep coming, until `close`. */
  whole(): void {
    this.#isWhole = true;
    this.moved();
  }

  close(): void {
    this.#isWhole = false;
    clearTimeout(this.#timer);
  }

  #end(): void {
    this.close();
    this.#over.abort(noAnswer());
  }
}

/** Nothing more is waited for. */
export function noAnswer(): SpeechError {
  return new SpeechError('TTS_UNAVAILABLE', { transient: true, unanswered: true });
}
