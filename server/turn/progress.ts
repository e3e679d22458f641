import type { Db } from '@parley/db/connect';
import { isTransient } from '@parley/db/failure';
import { type Progress, recordProgress } from '@parley/db/repository/turn-progress';
import { pause } from '@parley/shared/pause';
import { Fenced } from '../live/port.ts';

/** Tries again while the database is away: some nine seconds, as long as it may take to restart. */
const tries = 13;

interface Waiting {
  progress: Progress;
  done: PromiseWithResolvers<void>;
}

/**
 * Records in Postgres what is about to be delivered, where the event log would not survive this process. All turns share
 * one statement at a time (group commit), so that fifty turns cost about what one does.
 */
export class ProgressWriter {
  readonly #db: Db;
  readonly #waiting = new Map<string, Waiting>();
  #writing = false;

  constructor(db: Db) {
    this.#db = db;
  }

  /**
   * Resolves when the progress is recorded.
   * @throws Fenced when the turn's generation is over, or what the database says
   */
  async write(progress: Progress): Promise<void> {
    const waiting = this.#waiting.get(progress.id);
    // What comes later contains what came before: one row a turn and statement.
    const entry = waiting ?? { progress, done: Promise.withResolvers<void>() };
    entry.progress = progress;
    this.#waiting.set(progress.id, entry);
    if (!this.#writing) void this.#drain();
    await entry.done.promise;
  }

  async #drain(): Promise<void> {
    this.#writing = true;
    while (this.#waiting.size > 0) {
      const batch = [...this.#waiting.values()];
      this.#waiting.clear();
      await this.#settle(batch);
    }
    this.#writing = false;
  }

  async #settle(batch: readonly Waiting[]): Promise<void> {
    try {
      const recorded = await this.#record(batch.map((entry) => entry.progress));
      for (const { progress, done } of batch) {
        if (recorded.has(progress.id)) done.resolve();
        else done.reject(new Fenced(progress.id));
      }
    } catch (error) {
      // One that the database refuses is not to fail the others.
      if (batch.length > 1 && !isTransient(error)) for (const entry of batch) await this.#settle([entry]);
      else for (const { done } of batch) done.reject(error);
    }
  }

  async #record(progress: readonly Progress[]): Promise<Set<string>> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await recordProgress(this.#db, progress);
      } catch (error) {
        if (!isTransient(error) || attempt === tries) throw error;
        await pause(Math.min(25 * 2 ** attempt, 1_000));
      }
    }
  }
}
