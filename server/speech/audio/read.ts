import audio from 'audio-decode';
import type { Container } from './container.ts';
import { flacSeconds } from './flac.ts';
import { Gathering } from './gather.ts';
import { inspectMp4 } from './mp4.ts';
import { oggCodec } from './ogg.ts';
import { damaged, tooLong } from './undecodable.ts';
import { inspectWav } from './wav.ts';

type Decoder = (typeof audio)[Container extends infer Name ? Extract<Name, keyof typeof audio> : never];

/** Sound that is missing at the end, in seconds and as a share, before a file counts as cut off. */
const missingSeconds = 0.25;
const missingShare = 0.02;

/**
 * Bytes that a decoder gets at once. Silence can be packed a hundred thousand to one: small bites keep small what comes
 * out of one before the length is looked at again.
 */
const biteBytes: Readonly<Record<Container, number>> = {
  wav: 262_144,
  mp3: 8_192,
  aac: 8_192,
  m4a: 16_384,
  ogg: 2_048,
  webm: 2_048,
  flac: 1_024,
};

interface Plan {
  decoder: Decoder;
  /** What the header promises. */
  seconds: number | undefined;
}

function plan(container: Container, data: Uint8Array, maxSeconds: number): Plan {
  switch (container) {
    case 'wav': {
      const { seconds, isWhole } = inspectWav(data);
      if (!isWhole && seconds <= maxSeconds) throw damaged('the WAV file is cut off');
      return { decoder: audio.wav, seconds };
    }
    case 'flac':
      return { decoder: audio.flac, seconds: flacSeconds(data) };
    case 'm4a':
      inspectMp4(data, maxSeconds);
      return { decoder: audio.m4a, seconds: undefined };
    case 'ogg':
      return { decoder: oggCodec(data) === 'opus' ? audio.opus : audio.oga, seconds: undefined };
    case 'mp3':
      return { decoder: audio.mp3, seconds: undefined };
    case 'aac':
      return { decoder: audio.aac, seconds: undefined };
    case 'webm':
      return { decoder: audio.webm, seconds: undefined };
  }
}

/**
 * Decodes a file to mono at 16 kHz. What it declares is believed only to refuse it early; it is decoded bite by bite and
 * given up as soon as more than `maxSeconds` have come.
 * @throws Undecodable, or whatever the decoder throws at damaged bytes
 */
export async function readSound(
  container: Container,
  data: Uint8Array,
  maxSeconds: number,
  isStopped: () => boolean,
): Promise<Float32Array<ArrayBuffer>> {
  const { decoder, seconds } = plan(container, data, maxSeconds);
  if (seconds !== undefined && seconds > maxSeconds + 0.1) throw tooLong(`it declares ${Math.round(seconds)} s`);
  const gathering = new Gathering(maxSeconds);
  const decode = await decoder();
  try {
    const bite = biteBytes[container];
    for (let at = 0; at < data.length && !isStopped(); at += bite) {
      const { channelData, sampleRate } = await decode(data.subarray(at, at + bite));
      await gathering.add(channelData, sampleRate);
    }
    const { channelData, sampleRate } = await decode();
    await gathering.add(channelData, sampleRate);
    if (gathering.seconds === 0) throw damaged('there is no sound in it');
    const missing = (seconds ?? 0) - gathering.seconds;
    if (!isStopped() && missing > missingSeconds && missing > (seconds ?? 0) * missingShare)
      throw damaged('it is cut off');
    return gathering.end();
  } finally {
    decode.free();
    gathering.free();
  }
}

/** Raw little-endian 16-bit mono samples, as `readSound` does. */
export async function readPcm(data: Uint8Array, rate: number, maxSeconds: number): Promise<Float32Array<ArrayBuffer>> {
  if (data.length % 2 !== 0) throw damaged('half a sample is missing');
  if (data.length / 2 / rate > maxSeconds + 0.1) throw tooLong(`it is longer than ${maxSeconds} s`);
  const gathering = new Gathering(maxSeconds);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const samples = new Float32Array(data.length / 2);
  for (let index = 0; index < samples.length; index++) samples[index] = view.getInt16(index * 2, true) / 32_768;
  try {
    await gathering.add([samples], rate);
    return gathering.end();
  } finally {
    gathering.free();
  }
}
