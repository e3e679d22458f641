/**
 * Calls `gone` once when the process that launched this one has ended, even by SIGKILL: its IPC channel closes. At once when it
 * has closed already. Does nothing in a process that was started without a channel, and keeps no process alive.
 */
export function onParentGone(gone: () => void): void {
  if (process.channel === undefined) return;
  if (!process.connected) {
    gone();
    return;
  }
  process.once('disconnect', gone);
  // A listener holds the event loop open; this one must not.
  process.channel.unref();
}

/**
 * Resolves when the process that launched this one, with `--console-follows`, has built the console; at once without.
 * When it cannot be built, that process says why and closes the channel: see `onParentGone`.
 */
export async function consoleBuilt(): Promise<void> {
  if (!process.argv.includes('--console-follows') || process.channel === undefined) return;
  await new Promise<void>((resolve) => process.once('message', () => resolve()));
}
