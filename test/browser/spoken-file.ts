import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeDecoder } from '@parley/server/speech/decode';
import { wavFile } from '@parley/server/speech/openai/wav';
import { clip } from '../support/clip.ts';

export interface SpokenFile {
  /** WAV, mono, 16 bits. */
  file: string;
  remove(): Promise<void>;
}

/** A clip of test/fixture as a fake microphone takes it, with silence after it: whoever records on hears it only once. */
export async function spokenFile(name: string, silenceSeconds = 60): Promise<SpokenFile> {
  const decoder = makeDecoder({ threads: 1 });
  const bounds = { maxSeconds: 60, maxBytes: 1_000_000 };
  const { samples, sampleRate } = await decoder.decode(clip(name), { format: 'ogg' }, bounds);
  await decoder.close();
  const all = new Float32Array(samples.length + silenceSeconds * sampleRate);
  all.set(samples);
  const folder = await mkdtemp(join(tmpdir(), 'parley-spoken-'));
  const file = join(folder, 'spoken.wav');
  await writeFile(file, await wavFile({ samples: all, sampleRate }).bytes());
  return { file, remove: () => rm(folder, { recursive: true, force: true }) };
}
