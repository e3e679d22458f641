import { isAbortError, stopped } from './abort.ts';

/** How an iteration ended: what it failed with, and what its clean-up failed with. */
export interface Outcome {
  failure?: unknown;
  cleanup?: unknown;
}

/**
 * Values after which the event loop gets a turn. Without one an iterable that never waits, with a client that takes all or
 * is gone, would keep the whole process in microtasks: no other client is served, and no `close` is ever heard.
 */
const valuesPerTurn = 16;

/**
 * Delivers every value of `iterable`, one at a time, until it is done or fails or `controller` is aborted. Resolves once the
 * iterator has been returned. Aborts `controller` when the iteration ends otherwise than by being done, so that clean-up
 * which waits for the signal goes on.
 */
export async function pump(
  iterable: AsyncIterable<unknown>,
  controller: AbortController,
  deliver: (value: unknown) => Promise<void>,
): Promise<Outcome> {
  const { signal } = controller;
  const outcome: Outcome = {};
  let iterator: AsyncIterator<unknown> | undefined;
  let wake: (() => void) | undefined;
  signal.addEventListener('abort', () => wake?.(), { once: true });
  try {
    const started = iterable[Symbol.asyncIterator]();
    iterator = started;
    for (let count = 1; !signal.aborted; count++) {
      if (count % valuesPerTurn === 0) await new Promise((resolve) => setImmediate(resolve));
      // One listener for the whole iteration: racing each `next` against one lasting promise would keep every race alive.
      const next = await new Promise<IteratorResult<unknown> | undefined>((resolve, reject) => {
        wake = () => resolve(undefined);
        started.next().then(resolve, (cause: unknown) => {
          if (!signal.aborted) reject(cause);
          else if (!isAbortError(cause)) outcome.cleanup = cause;
          resolve(undefined);
        });
      });
      if (!next) break;
      if (next.done) return outcome;
      await deliver(next.value);
    }
  } catch (cause) {
    outcome.failure = cause;
  }
  if (!signal.aborted) controller.abort(stopped);
  try {
    await iterator?.return?.();
  } catch (cause) {
    outcome.cleanup = cause;
  }
  return outcome;
}
