import type { Heard } from '@parley/shared/turn';

/** How far the listener of a turn has come: the `heard` of `turns.interrupt`, with its turn. */
export type Position = Heard & { turnId: string };

/** Tells the server what has been heard of a turn. */
export type PlaybackReport = (heard: Position, signal: AbortSignal) => Promise<unknown>;

/** How long one report may take, in milliseconds; then it counts as lost. */
const mostMs = 10_000;
/** Turns of which a report may wait. */
const mostWaiting = 64;

/**
 * Sends reports one after the other, and of those of a turn that wait only the last: it says all that the ones before it
 * said. A lost one is not repeated, since another follows, or the interruption says it too.
 */
export class Reporter {
  readonly #report: PlaybackReport | undefined;
  readonly #waiting = new Map<string, Position>();
  #state: 'idle' | 'sending' | 'closed' = 'idle';

  constructor(report: PlaybackReport | undefined) {
    this.#report = report;
  }

  tell(heard: Position): void {
    if (!this.#report || this.#state === 'closed') return;
    this.#waiting.delete(heard.turnId);
    this.#waiting.set(heard.turnId, heard);
    const oldest = this.#waiting.keys().next();
    if (this.#waiting.size > mostWaiting && !oldest.done) this.#waiting.delete(oldest.value);
    if (this.#state === 'idle') void this.#send(this.#report);
  }

  /** What was told is still sent. */
  close(): void {
    this.#state = 'closed';
  }

  async #send(report: PlaybackReport): Promise<void> {
    this.#state = 'sending';
    for (let next = this.#waiting.values().next(); !next.done; next = this.#waiting.values().next()) {
      this.#waiting.delete(next.value.turnId);
      await within(report, next.value);
    }
    if (this.#state === 'sending') this.#state = 'idle';
  }
}

function within(report: PlaybackReport, heard: Position): Promise<void> {
  return new Promise((resolve) => {
    const late = new AbortController();
    const over = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(() => {
      late.abort();
      resolve();
    }, mostMs);
    new Promise((answer) => answer(report(heard, late.signal))).then(over, over);
  });
}
