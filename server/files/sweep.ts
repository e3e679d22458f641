import { dropUnused, forgetFile, takeStrays } from '@parley/db/repository/attachment';
import type { FilePorts } from './keep.ts';

/** Milliseconds between two looks, and files of one. */
const everyMs = 30_000;
const batch = 100;

interface SweepPorts extends FilePorts {
  logger: { warn(fields: object, message: string): void };
}

/** Removes files that nobody owns: uploads that were never used, what a crash left, what could not be removed before. */
export class FileSweep {
  readonly #ports: SweepPorts;
  #timer: NodeJS.Timeout | undefined;
  #sweeping: Promise<void> | undefined;

  constructor(ports: SweepPorts) {
    this.#ports = ports;
  }

  start(): void {
    this.#timer = setInterval(() => void this.sweep(), everyMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#sweeping;
  }

  /** Any number of replicas may do so at once. Never rejects. */
  async sweep(): Promise<void> {
    this.#sweeping ??= this.#sweep()
      .catch((error: unknown) => this.#warn(error))
      .finally(() => {
        this.#sweeping = undefined;
      });
    await this.#sweeping;
  }

  async #sweep(): Promise<void> {
    const { db } = this.#ports;
    await dropUnused(db, batch);
    await this.#remove(await takeStrays(db, batch));
  }

  async #remove(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      try {
        await this.#ports.files.remove(key);
        await forgetFile(this.#ports.db, key);
      } catch (error) {
        this.#warn(error);
        // Storage that does not answer would be asked a hundred times.
        return;
      }
    }
  }

  #warn(error: unknown): void {
    this.#ports.logger.warn({ error: error instanceof Error ? error.name : 'unknown' }, 'files not swept');
  }
}
