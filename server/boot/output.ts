import { setTimeout as sleep } from 'node:timers/promises';

/** Bytes that may wait for a reader. */
const mostWaiting = 1_000_000;
const patienceMs = 1_000;

// A reader may end first (`npm start | head -1`): the server serves on, and what it says is lost.
process.stdout.on('error', () => {});

/**
 * Standard output, whoever reads it: a reader that is slow, has stopped or has ended costs the server lines of its log, and neither
 * its memory nor its end.
 */
export const output = {
  /** Writes a line, or drops it when too much waits for a reader. */
  write(line: string): void {
    if (process.stdout.writableLength < mostWaiting) process.stdout.write(line);
  },
  /** Resolves when what was written has been handed on, or nobody has read it within a second. Never rejects. */
  async flush(): Promise<void> {
    if (process.stdout.writableLength === 0) return;
    const written = new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
    await Promise.race([written, sleep(patienceMs)]);
  },
};
