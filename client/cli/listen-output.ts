import { type ChildProcess, spawn } from 'node:child_process';
import type { AudioOutput } from '../player/output.ts';
import { littleEndian } from '../recorder/source.ts';
import { isOnPath } from './on-path.ts';

/** Programs that play bare samples from their input, the first that is there. */
const programs: readonly ((rate: string) => readonly [string, ...string[]])[] = [
  (rate) => ['aplay', '-q', '-t', 'raw', '-f', 'S16_LE', '-c', '1', '-r', rate],
  (rate) => ['pacat', '--raw', '--format=s16le', '--channels=1', `--rate=${rate}`],
  (rate) => ['play', '-q', '-t', 'raw', '-b', '16', '-e', 'signed-integer', '-c', '1', '-r', rate, '-'],
];

/** Milliseconds of silence after which the program is let go. */
const idleMs = 2_000;

/** The loudspeaker, by a program of this machine; undefined when none is on PATH. */
export function findOutput(): (AudioOutput & { close(): void }) | undefined {
  const found = programs.find((program) => isOnPath(program('')[0]));
  return found && new ProgramOutput(found);
}

class ProgramOutput implements AudioOutput {
  readonly #program: (rate: string) => readonly [string, ...string[]];
  #playing: { child: ChildProcess; sampleRate: number } | undefined;
  /** When the last of what was written ends. */
  #endMs = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(program: (rate: string) => readonly [string, ...string[]]) {
    this.#program = program;
  }

  now(): number {
    return performance.now();
  }

  play(samples: Float32Array<ArrayBuffer>, sampleRate: number, at: number): void {
    if (this.#playing?.sampleRate !== sampleRate) this.#open(sampleRate);
    const stdin = this.#playing?.child.stdin;
    const now = this.now();
    const from = Math.max(now, at);
    // What the program has written ends at `endMs`: until then there is sound, and from then on silence.
    const gapMs = this.#endMs > now ? Math.max(0, from - this.#endMs) : 0;
    stdin?.write(new Uint8Array(2 * Math.round((gapMs / 1000) * sampleRate)));
    stdin?.write(
      littleEndian(
        Int16Array.from(samples, (value) => Math.max(-32_768, Math.min(32_767, Math.round(value * 32_768)))),
      ),
    );
    this.#endMs = from + (samples.length / sampleRate) * 1000;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#letGo(), this.#endMs - now + idleMs);
  }

  stop(): void {
    clearTimeout(this.#idle);
    this.#playing?.child.kill();
    this.#playing = undefined;
    this.#endMs = 0;
  }

  close(): void {
    this.stop();
  }

  #open(sampleRate: number): void {
    this.#letGo();
    const [name, ...options] = this.#program(String(sampleRate));
    const child = spawn(name, options, { stdio: ['pipe', 'ignore', 'ignore'] });
    // A program that has gone plays nothing, and the answer is read all the same.
    child.on('error', () => {});
    child.stdin?.on('error', () => {});
    this.#playing = { child, sampleRate };
  }

  #letGo(): void {
    clearTimeout(this.#idle);
    this.#playing?.child.stdin?.end();
    this.#playing = undefined;
  }
}
