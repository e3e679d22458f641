import { isWatched, note } from './command.ts';
import type { LoadSummary } from './load-tally.ts';
import { table } from './load-tally.ts';

const everyMs = { watched: 500, unwatched: 5_000 };

/** Shows how it goes, beside the result: a table that is redrawn for whoever looks, else a line now and then. */
export class LiveTable {
  readonly #timer: NodeJS.Timeout;
  readonly #look: () => { head: string; summary: LoadSummary };
  #lines = 0;

  constructor(look: () => { head: string; summary: LoadSummary }) {
    this.#look = look;
    this.#timer = setInterval(() => this.#show(), isWatched() ? everyMs.watched : everyMs.unwatched);
  }

  /** Takes the table away again. */
  stop(): void {
    clearInterval(this.#timer);
    if (this.#lines > 0) process.stderr.write(`\x1b[${this.#lines}A\x1b[J`);
  }

  #show(): void {
    const { head, summary } = this.#look();
    if (!isWatched()) {
      const { turns, turnsPerSecond } = summary;
      const wrong = turns.failed + turns.refused + turns.lost + turns.unfinished;
      note(
        `${head}: ${turns.completed} turns completed, ${turnsPerSecond} turns/s${wrong > 0 ? `, ${wrong} not` : ''}`,
      );
      return;
    }
    // A terminal that does not say how wide it is says 0.
    const width = process.stderr.columns || 80;
    const text = `${head}\n${table(summary)}`.split('\n').map((line) => line.slice(0, width - 1));
    process.stderr.write(`${this.#lines > 0 ? `\x1b[${this.#lines}A\x1b[J` : ''}${text.join('\n')}\n`);
    this.#lines = text.length;
  }
}
