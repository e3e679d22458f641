import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';

const main = fileURLToPath(new URL('../../client/cli/main.ts', import.meta.url));

export interface Cli {
  readonly child: ChildProcessWithoutNullStreams;
  readonly stdout: string;
  readonly stderr: string;
  /** The exit code; null when a signal ended it. */
  readonly ended: Promise<number | null>;
  /** Types a line. */
  say(line: string): void;
  /** Resolves when its output has this; rejects when it ends without. */
  shows(what: string | RegExp, where?: 'stdout' | 'stderr'): Promise<void>;
}

const running = new Set<ChildProcessWithoutNullStreams>();
afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
  running.clear();
});

/** Runs a command of the command line in a process of its own; `input` is all that it is told, else it is told more by `say`. */
export function cli(args: string[], options: { input?: string; env?: Record<string, string> } = {}): Cli {
  return run([main, ...args], options, process.execPath);
}

export interface CliResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** What a command has said when it is over. */
export async function result(run: Cli): Promise<CliResult> {
  const code = await run.ended;
  return { code, stdout: run.stdout, stderr: run.stderr };
}

/** The same on a terminal of its own, made by util-linux' `script`. */
export function terminal(args: string[], options: { env?: Record<string, string> } = {}): Cli {
  const words = [process.execPath, main, ...args].map((word) => `'${word}'`).join(' ');
  return run(['-qefc', words, '/dev/null'], options, 'script');
}

function run(words: string[], { input, env }: { input?: string; env?: Record<string, string> }, program: string): Cli {
  const { PATH, HOME, NODE_COMPILE_CACHE } = process.env;
  const child = spawn(program, words, {
    env: { PATH, HOME, TERM: 'dumb', SHELL: '/bin/sh', ...(NODE_COMPILE_CACHE && { NODE_COMPILE_CACHE }), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  running.add(child);
  const output = { stdout: '', stderr: '' };
  const looks = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
      for (const look of [...looks]) look();
    });
  }
  child.stdin.on('error', () => {});
  if (input !== undefined) child.stdin.end(input);
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      running.delete(child);
      resolve(code);
    });
  });
  return {
    child,
    ended,
    get stdout() {
      return output.stdout;
    },
    get stderr() {
      return output.stderr;
    },
    say: (line) => void child.stdin.write(`${line}\n`),
    shows(what, where = 'stdout') {
      return new Promise((resolve, reject) => {
        const look = (): void => {
          const text = output[where];
          if (typeof what === 'string' ? !text.includes(what) : !what.test(text)) return;
          looks.delete(look);
          resolve();
        };
        looks.add(look);
        look();
        void ended.then((code) =>
          reject(new Error(`ended with ${code} before it said ${what}: ${JSON.stringify(output)}`)),
        );
      });
    },
  };
}
