/** One of the command line's commands. */
export interface Command {
  /** One line of the overview. */
  summary: string;
  /** How it is called, and with what. */
  help: string;
  /** Resolves to the exit code. @throws UsageError, ParleyFailure */
  run(args: string[]): Promise<number>;
}

/** The words make no sense; exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** It cannot be done; the message is one line for people. Exit code 1. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
}

/** Writes to standard output, no faster than it is read. */
export function print(text: string): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(text, () => resolve());
  });
}

/** What there is to say beside the result. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Aborted by Ctrl-C. A second one ends the process at once. */
export function interrupted(): AbortSignal {
  const controller = new AbortController();
  process.on('SIGINT', () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
  });
  return controller.signal;
}
