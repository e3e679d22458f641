/** One of the command line's commands. */
export interface Command {
  /** One line of the overview. */
  summary: string;
  /** How it is called, and with what. */
  help: string;
  /** What the exit codes mean, where that is more than done and failed. */
  exits?: { done?: string; failed?: string };
  /** Resolves to the exit code. @throws UsageError, ParleyFailure */
  run(args: string[]): Promise<number>;
}

/** All that there is to say of how a command is used. */
export function helpOf({ help, exits }: Command): string {
  const { done = 'done', failed = 'failed, standard error says why' } = exits ?? {};
  return `${help}\n\nexit codes: 0 ${done}; 1 ${failed}; 2 the words make no sense`;
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

/** Whether somebody looks at the output: only then is anything redrawn, played or coloured. */
export function isWatched(): boolean {
  return process.stdout.isTTY === true && process.stderr.isTTY === true;
}

/** A whole number among a command's options. @throws UsageError */
export function wholeNumber(
  name: string,
  given: string | undefined,
  range: { least: number; most: number },
): number | undefined {
  if (given === undefined) return undefined;
  const value = Number(given);
  if (!/^\d{1,9}$/.test(given) || value < range.least || value > range.most)
    throw new UsageError(`--${name} is a whole number from ${range.least} to ${range.most}`);
  return value;
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
