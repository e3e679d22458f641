/** Far beyond what anything here takes on a loaded machine; a test that fails must end rather than spin. */
const longestWaitMs = 15_000;

/** One turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Looks again after every turn of the event loop: what is waited for happens in this process. */
export async function until(isDone: () => boolean, between: () => Promise<void> = turn): Promise<void> {
  const deadline = performance.now() + longestWaitMs;
  while (!isDone()) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${isDone}`);
    await between();
  }
}
