import type { Turn } from '@parley/shared/turn';
import { failureOf, type ParleyFailure } from '../failure.ts';

/** Milliseconds of silence after which the server is asked how the turn stands: at first, and at most. */
const silence = { first: 2_000, most: 30_000 };
/** How soon it is asked after a gap, and how long an end that it tells of may take to come by itself. */
const soonMs = 300;
const graceMs = 500;
/** How long a turn may take to be there that is expected: its recording is transcribed first. Milliseconds. */
const mostExpectedMs = 15 * 60_000;

export interface InquiryOptions {
  ask(): Promise<Turn>;
  /** Aborted when nothing is to be asked any more. */
  over: AbortSignal;
  /** Whether the turn may not be there yet: that it is not found says nothing. */
  isExpected(): boolean;
  /** It has ended, and nothing was heard of that. */
  onEnded(turn: Turn): void;
  /** It cannot be asked for, now or later. */
  onFailure(failure: ParleyFailure): void;
}

/** Asks how a turn stands when nothing is heard of it: its last events may be gone for good. */
export class Inquiry {
  readonly #options: InquiryOptions;
  readonly #begunAt = Date.now();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #silenceMs = silence.first;
  #heardAt = 0;

  constructor(options: InquiryOptions) {
    this.#options = options;
  }

  /** Something of the turn has come. */
  heard(): void {
    this.#heardAt = Date.now();
  }

  /** The turn exists: it is asked for after a silence. */
  begin(): void {
    this.#schedule(silence.first, false);
  }

  /** Its events may be over, or gone. */
  soon(): void {
    this.#schedule(soonMs, true);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #schedule(ms: number, atOnce: boolean): void {
    clearTimeout(this.#timer);
    if (!this.#options.over.aborted) this.#timer = setTimeout(() => void this.#check(atOnce), ms);
  }

  async #check(atOnce: boolean): Promise<void> {
    const silentMs = Date.now() - this.#heardAt;
    if (!atOnce && silentMs < this.#silenceMs) {
      this.#schedule(this.#silenceMs - silentMs, false);
      return;
    }
    this.#silenceMs = Math.min(this.#silenceMs * 2, silence.most);
    try {
      const heardAt = this.#heardAt;
      const turn = await this.#options.ask();
      if (turn.status !== 'queued' && turn.status !== 'running') {
        this.#timer = setTimeout(() => {
          // What still comes is better than what can be made up.
          if (this.#heardAt !== heardAt) this.soon();
          else this.#options.onEnded(turn);
        }, graceMs);
        return;
      }
    } catch (cause) {
      if (this.#options.over.aborted) return;
      const failure = failureOf(cause);
      if (!this.#passes(failure)) {
        this.#options.onFailure(failure);
        return;
      }
    }
    this.#schedule(this.#silenceMs, false);
  }

  #passes({ reason, retryable }: ParleyFailure): boolean {
    if (reason !== 'NOT_FOUND') return retryable || reason === 'INTERNAL';
    return this.#options.isExpected() && Date.now() - this.#begunAt < mostExpectedMs;
  }
}
