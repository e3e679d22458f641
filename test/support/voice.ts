import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Script } from './provider.ts';
import {
  pcm,
  type SpeechProvider,
  type SpeechRequest,
  startSpeechProvider,
  tone,
  transcript,
} from './speech-provider.ts';

export const sampleRate = 16_000;

/** Three tenths of a second out of the middle of a sentence: short, and taken for speech. */
const snippet = readSnippet();

function readSnippet(): Int16Array {
  const file = readFileSync(join(import.meta.dirname, '../fixture/format.wav'));
  const from = file.indexOf('data') + 8 + sampleRate * 2;
  return Int16Array.from({ length: sampleRate * 0.3 }, (_, index) => file.readInt16LE(from + index * 2));
}

const [quietest, step] = [3_000, 200];

/** Speech that is told from other speech by how loud its loudest sample is: number 0 to 120, as `pcm_s16le` at 16 kHz. */
export function speech(number: number): Uint8Array<ArrayBuffer> {
  const peak = snippet.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  return bytesOf(snippet.map((sample) => Math.round((sample / peak) * (quietest + number * step))));
}

export function silence(seconds = 0.3): Uint8Array<ArrayBuffer> {
  return bytesOf(new Int16Array(sampleRate * seconds));
}

function bytesOf(samples: Int16Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(samples.length * 2);
  const view = new DataView(bytes.buffer);
  for (const [index, sample] of samples.entries()) view.setInt16(index * 2, sample, true);
  return bytes;
}

/** Which `speech` a request to transcribe is about. */
export function numberOf({ file }: SpeechRequest): number {
  const view = new DataView(file?.bytes.buffer ?? new ArrayBuffer(44), 44);
  let peak = 0;
  for (let at = 0; at + 1 < view.byteLength; at += 2) peak = Math.max(peak, Math.abs(view.getInt16(at, true)));
  return Math.round((peak - quietest) / step);
}

/** What `speech` says. */
export const saying = (number: number): string => `Piece ${number}.`;

export interface VoiceService extends SpeechProvider {
  /** Variables of a server that hears and speaks by this service. */
  readonly env: Record<string, string>;
  /** What is answered to the transcription of this speech, once each, before what it says. */
  hear(number: number, ...scripts: Script[]): void;
  /** What is answered to the synthesis of a sentence that holds this text, once each, before its tone. */
  speak(text: string, ...scripts: Script[]): void;
  /** Whatever is scripted and was not asked for is not going to be answered any more. */
  forget(): void;
  /** Requests for the transcription of this speech. */
  heard(number: number): SpeechRequest[];
  /** Requests for the synthesis of sentences that hold this text. */
  spoken(text: string): SpeechRequest[];
}

/** Milliseconds of speech that a sentence becomes. */
export const spokenMs = (sentence: string): number => sentence.trim().length * 20;

/** A speech service whose transcript depends on the sound alone and whose speech on the text alone, in whatever order they come. */
export async function startVoiceService(): Promise<VoiceService> {
  const scripted = new Map<number | string, Script[]>();
  const isSpeech = ({ path }: SpeechRequest): boolean => path.endsWith('/speech');
  const inputOf = ({ fields }: SpeechRequest): string => String(fields.input);
  const add = (key: number | string, scripts: Script[]): void =>
    void scripted.set(key, [...(scripted.get(key) ?? []), ...scripts]);
  const provider = await startSpeechProvider((request) => {
    if (!isSpeech(request)) {
      const number = numberOf(request);
      return scripted.get(number)?.shift() ?? transcript(saying(number));
    }
    const input = inputOf(request);
    for (const [key, scripts] of scripted) {
      const next = typeof key === 'string' && input.includes(key) ? scripts.shift() : undefined;
      if (next) return next;
    }
    return pcm(tone(spokenMs(input) / 1_000));
  });
  return {
    ...provider,
    env: {
      STT_PROVIDER: 'openai',
      STT_BASE_URL: provider.url,
      STT_MODEL: 'ears',
      TTS_PROVIDER: 'openai',
      TTS_BASE_URL: provider.url,
      TTS_MODEL: 'mouth',
    },
    hear: (number, ...scripts) => add(number, scripts),
    speak: (text, ...scripts) => add(text, scripts),
    forget: () => scripted.clear(),
    heard: (number) => provider.requests.filter((request) => !isSpeech(request) && numberOf(request) === number),
    spoken: (text) => provider.requests.filter((request) => isSpeech(request) && inputOf(request).includes(text)),
  };
}
