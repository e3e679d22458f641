import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { isOnPath } from './on-path.ts';

/** Programs that play a WAV file, the first that is there. */
const programs: readonly (readonly [string, ...string[]])[] = [
  ['afplay'],
  ['paplay'],
  ['aplay', '-q'],
  ['play', '-q'],
  ['ffplay', '-nodisp', '-autoexit', '-loglevel', 'error'],
];

export interface SoundPlayer {
  /** Plays a WAV file to its end, or until the signal. False when the program could not. */
  play(wav: Uint8Array, signal: AbortSignal): Promise<boolean>;
}

/** A program of this machine that plays sound; undefined when none is on PATH. */
export function findPlayer(): SoundPlayer | undefined {
  const found = programs.find(([name]) => isOnPath(name));
  if (!found) return undefined;
  const [name, ...options] = found;
  return {
    async play(wav, signal) {
      const folder = await mkdtemp(path.join(os.tmpdir(), 'parley-say-'));
      try {
        const file = path.join(folder, 'answer.wav');
        await writeFile(file, wav);
        const child = spawn(name, [...options, file], { stdio: 'ignore', signal });
        const [code] = await once(child, 'close');
        return code === 0;
      } catch {
        return signal.aborted;
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}
