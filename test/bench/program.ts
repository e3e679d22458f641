import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Answer, Question } from './answer.ts';

/** No question takes longer. */
const patienceMs = 120_000;

/** A process of the bench, which answers questions. It ends with this one. */
export class Program<Commands extends Record<keyof Commands, { in: unknown; out: unknown }>> {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #waiting = new Map<number, { resolve(output: string): void; reject(error: Error): void }>();
  #calls = 0;

  /** `file` lies beside this one. */
  constructor(file: string) {
    this.#name = file;
    this.#child = fork(fileURLToPath(new URL(file, import.meta.url)), {
      execArgv: ['--expose-gc', ...(process.env.BENCH_NODE_OPTIONS?.split(' ') ?? [])],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child.on('message', (answer: Answer) => {
      const waiting = this.#waiting.get(answer.call);
      this.#waiting.delete(answer.call);
      if ('error' in answer) waiting?.reject(new Error(`${file}: ${answer.error}`));
      else waiting?.resolve(answer.output);
    });
    this.#child.on('error', (error) => this.#fail(error));
    this.#child.on('exit', (code, signal) => this.#fail(new Error(`${file} ended (${signal ?? code})`)));
  }

  async ask<Name extends keyof Commands & string>(
    name: Name,
    input: Commands[Name]['in'],
  ): Promise<Commands[Name]['out']> {
    const call = ++this.#calls;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.#waiting.set(call, { resolve, reject });
    const question: Question = { call, name, input: JSON.stringify(input) };
    this.#child.send(question, (error) => error && reject(error));
    const timer = setTimeout(() => reject(new Error(`${this.#name} does not answer ${name}`)), patienceMs);
    try {
      const output: Commands[Name]['out'] = JSON.parse(await promise);
      return output;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(call);
    }
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 5_000);
    await ended;
    clearTimeout(timer);
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
