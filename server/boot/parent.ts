/**
 * Calls `gone` once when the process that launched this one has ended, even by SIGKILL: its IPC channel closes.
 * Does nothing in a process that was started without a channel, and keeps no process alive.
 */
export function onParentGone(gone: () => void): void {
  if (process.channel === undefined) return;
  process.once('disconnect', gone);
  // A listener holds the event loop open; this one must not.
  process.channel?.unref();
}

/** The console is not there and will not come; whoever launched this says why. */
export class ConsoleMissing extends Error {
  override readonly name = 'ConsoleMissing';
}

/**
 * Resolves when the process that launched this one, with `--console-follows`, has built the console; at once without.
 * @throws ConsoleMissing when it could not, or has ended
 */
export async function consoleBuilt(): Promise<void> {
  if (!process.argv.includes('--console-follows')) return;
  await new Promise<void>((resolve, reject) => {
    const onGone = (): void => reject(new ConsoleMissing());
    if (!process.connected) onGone();
    process.once('disconnect', onGone);
    process.once('message', () => {
      process.off('disconnect', onGone);
      resolve();
    });
  });
}
