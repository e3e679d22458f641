import { setTimeout as sleep } from 'node:timers/promises';

const probeMs = 250;
/** Probes that may fail before the connection is made anew. */
const patience = 10;

export interface RedisReachOptions {
  /** @throws Error when Redis does not answer */
  ping(): Promise<void>;
  /** Called when it answers again, before anybody is told. @throws Error when it is lost again */
  onBack(): Promise<void>;
  reconnect(): void;
  /** Told when Redis is lost, with why, and when it is back. */
  onState(lost: Error | undefined): void;
}

/** Whether Redis can be reached: from the first failure on it is probed until it answers, and nobody else waits for it. */
export class RedisReach {
  readonly #options: RedisReachOptions;
  readonly #closed = new AbortController();
  #isReachable = true;
  #probing: Promise<void> | undefined;

  constructor(options: RedisReachOptions) {
    this.#options = options;
  }

  get isReachable(): boolean {
    return this.#isReachable;
  }

  lose(error: unknown): void {
    if (this.#closed.signal.aborted) return;
    this.#isReachable = false;
    if (this.#probing) return;
    this.#options.onState(error instanceof Error ? error : new Error(String(error)));
    this.#probing = this.#probe();
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#probing;
  }

  async #probe(): Promise<void> {
    const { signal } = this.#closed;
    for (let failures = 0; !signal.aborted; ) {
      await sleep(probeMs, undefined, { signal, ref: false }).catch(() => {});
      if (signal.aborted) return;
      try {
        await this.#options.ping();
        this.#isReachable = true;
        await this.#options.onBack();
        // It may have been lost again in the meantime, by someone who relies on this probe.
        if (this.#isReachable) {
          this.#probing = undefined;
          this.#options.onState(undefined);
          return;
        }
      } catch {
        this.#isReachable = false;
      }
      if (++failures % patience === 0) this.#options.reconnect();
    }
  }
}
