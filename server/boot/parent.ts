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
