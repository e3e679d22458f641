import type { Warm } from '../speech/port.ts';
import type { Logger } from '../turn/ports.ts';
import { errorName } from '../turn/verdict.ts';

/** Milliseconds in which a server comes to listen: until then it has the machine to itself. */
const afterMs = 1_000;

/**
 * Loads what answers would otherwise wait for, one after the other, behind the start of the server: it delays nothing, a failure
 * is only told of, and a server that closes meanwhile waits at most for the part that is being loaded.
 */
export class Warming {
  readonly #abort = new AbortController();
  readonly #timer: NodeJS.Timeout;

  constructor(parts: readonly Warm[], logger: Logger) {
    const cold = parts.filter(({ warm }) => warm !== undefined);
    this.#timer = setTimeout(() => void this.#warm(cold, logger), afterMs).unref();
    if (cold.length === 0) clearTimeout(this.#timer);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#abort.abort();
  }

  async #warm(parts: readonly Warm[], logger: Logger): Promise<void> {
    const { signal } = this.#abort;
    const from = performance.now();
    for (const part of parts) {
      try {
        await part.warm?.(signal);
      } catch (error) {
        if (signal.aborted) return;
        logger.warn({ error: errorName(error) }, 'speech not loaded ahead');
      }
    }
    logger.info({ ms: Math.round(performance.now() - from) }, 'speech loaded ahead');
  }
}
