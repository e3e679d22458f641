import { readFile, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { limits } from '@parley/shared/limits';
import type { AudioFormat } from '@parley/shared/voice';
import { failureOf } from '../failure.ts';
import { quietest } from '../recorder/cut.ts';
import { CommandFailure, UsageError } from './command.ts';
import { readWav, type Samples } from './wav.ts';

export interface Recording {
  file: string;
  format: Exclude<AudioFormat, 'pcm_s16le'>;
  data: Uint8Array<ArrayBuffer>;
}

const formats: Readonly<Record<string, Recording['format']>> = {
  wav: 'wav',
  wave: 'wav',
  mp3: 'mp3',
  m4a: 'm4a',
  mp4: 'm4a',
  aac: 'aac',
  ogg: 'ogg',
  oga: 'ogg',
  opus: 'ogg',
  webm: 'webm',
  weba: 'webm',
  flac: 'flac',
};

/** Of a file that is sent in segments: half an hour of the largest sound there is. */
const mostBytes = 400 * 1024 * 1024;
const decodeMs = 120_000;
/** Seconds of a segment: by default, and at least; those of at most fit into 5 MB at 48 kHz. */
const segmentSeconds = { usual: 10, least: 0.2, most: 50 };
/** How far from its place a cut may be moved, of the length of a segment. */
const slack = 0.3;

/** A recording in a file. @throws UsageError for a suffix of no sound, CommandFailure */
export async function readRecording(file: string, isCut: boolean): Promise<Recording> {
  const suffix = extname(file).slice(1).toLowerCase();
  const format = formats[suffix];
  if (!format) throw new UsageError(`'${file}' should end in .wav, .m4a, .webm, .mp3, .ogg, .flac or .aac`);
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile()) throw new CommandFailure(`there is no file ${file}`);
  if (found.size === 0) throw new CommandFailure(`${file} is empty`);
  if (!isCut && found.size > limits.segmentBytes)
    throw new CommandFailure(`${file} has more than 5 MB: --segments sends it in pieces`);
  if (found.size > mostBytes) throw new CommandFailure(`${file} has more than 400 MB`);
  return { file, format, data: new Uint8Array(await readFile(file)) };
}

/** The recording's sound in this many pieces, cut at pauses; by default of about ten seconds, at least two. */
export async function cutRecording(recording: Recording, count: number | undefined): Promise<Samples[]> {
  const { samples, sampleRate } = await soundOf(recording);
  const seconds = samples.length / sampleRate;
  const pieces = count ?? Math.max(2, Math.ceil(seconds / segmentSeconds.usual));
  const least = Math.ceil(seconds / segmentSeconds.most);
  const most = Math.min(limits.segmentIndex + 1, Math.max(1, Math.floor(seconds / segmentSeconds.least)));
  if (pieces < least || pieces > most)
    throw new UsageError(`--segments is a number from ${least} to ${most} for ${seconds.toFixed(1)} s of sound`);
  const length = samples.length / pieces;
  const cuts = Array.from({ length: pieces - 1 }, (_, index) => {
    const at = (index + 1) * length;
    return quietest(samples, sampleRate, Math.round(at - slack * length), Math.round(at + slack * length));
  });
  return [...cuts, samples.length].map((end, index) => ({
    samples: samples.slice(index === 0 ? 0 : cuts[index - 1], end),
    sampleRate,
  }));
}

async function soundOf({ file, format, data }: Recording): Promise<Samples> {
  const plain = format === 'wav' ? readWav(data) : undefined;
  if (plain && plain.samples.length > 0) return plain;
  // Only whoever cuts other files needs it, and loads it.
  const { makeDecoder } = await import('@parley/server/speech/decode');
  const decoder = makeDecoder({ threads: 1, jobMs: decodeMs });
  try {
    const sound = await decoder.decode(
      data,
      { format },
      { maxSeconds: limits.voiceSessionSeconds, maxBytes: mostBytes },
    );
    const samples = Int16Array.from(sound.samples, (value) =>
      Math.max(-32_768, Math.min(32_767, Math.round(value * 32_768))),
    );
    return { samples, sampleRate: sound.sampleRate };
  } catch (error) {
    const { message, reason } = failureOf(error);
    throw new CommandFailure(`${file} cannot be read: ${message} (${reason})`);
  } finally {
    await decoder.close();
  }
}
