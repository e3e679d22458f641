const first = 250;
const most = 15_000;

/**
 * Milliseconds to wait before try `attempt` (0, 1, 2 …) of what has failed: doubling, bounded, and random within its upper
 * half, so that clients which lost a server at the same moment do not come back at the same moment.
 */
export function backoff(attempt: number, random: () => number = Math.random): number {
  if (attempt <= 0) return random() * first;
  const ceiling = Math.min(most, first * 2 ** Math.min(attempt, 16));
  return ceiling / 2 + (random() * ceiling) / 2;
}

/** Resolves after `ms`, or as soon as the signal is aborted; never rejects. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
  });
}
