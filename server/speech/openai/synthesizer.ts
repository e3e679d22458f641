import { SpeechError, type Synthesizer } from '../port.ts';
import { type Answer, type ServiceOptions, speechService } from './ask.ts';
import { wavBody } from './wav.ts';

export interface OpenaiSynthesizerOptions extends ServiceOptions {
  model: string;
  /** Default `alloy`. */
  voice?: string | undefined;
  /** What `system.capabilities` calls it. Default `openai`. */
  name?: string | undefined;
}

/** Of the raw samples that the service sends, per second. */
const sampleRate = 24_000;
/** Five minutes: no sentence is longer. */
const mostBytes = sampleRate * 2 * 300;
/** So many bytes are looked at before they are taken for sound. */
const headBytes = 64;

const rawTypes: ReadonlySet<string> = new Set(['', 'audio/pcm', 'application/octet-stream', 'binary/octet-stream']);
const wavTypes: ReadonlySet<string> = new Set(['audio/wav', 'audio/wave', 'audio/x-wav', 'audio/vnd.wave']);

/**
 * Text to speech behind OpenAI's speech, as raw samples while they come. A service that sends them as a WAV file of the
 * same rate is understood; one that sends another format, or a page, is `TTS_UNAVAILABLE`.
 */
export function openaiSynthesizer({
  model,
  voice,
  name = 'openai',
  ...options
}: OpenaiSynthesizerOptions): Synthesizer {
  const service = speechService(options, 'TTS_UNAVAILABLE');
  return {
    name,
    model,
    sampleRate,
    synthesize(text, spoken, signal) {
      const body = { model, input: text, voice: spoken.voice ?? voice ?? 'alloy', response_format: 'pcm' as const };
      return service.ask((client, signal) => client.audio.speech.create(body, { signal }), read, signal);
    },
    close: () => Promise.resolve(),
  };
}

async function* read({ type, pieces }: Answer): AsyncGenerator<Uint8Array, void> {
  if (!rawTypes.has(type) && !wavTypes.has(type)) {
    throw noSpeech(`the speech service answers with ${type}`, !type.startsWith('audio/'));
  }
  yield* whole(samplesOf(pieces, wavTypes.has(type)));
}

/** The bytes of the samples, without what is around them. */
async function* samplesOf(pieces: Answer['pieces'], isNamedWav: boolean): AsyncGenerator<Uint8Array, void> {
  let head: Uint8Array = new Uint8Array();
  let left: number | undefined;
  for await (const piece of pieces) {
    let bytes: Uint8Array = piece;
    if (left === undefined) {
      head = Buffer.concat([head, piece]);
      const from = head.length < headBytes ? undefined : bodyOf(head, isNamedWav);
      if (from === undefined) continue;
      left = from.length;
      bytes = head.subarray(from.from);
    }
    const taken = bytes.subarray(0, left);
    left -= taken.length;
    if (taken.length > 0) yield taken;
  }
  if (left !== undefined || head.length === 0) return;
  const from = bodyOf(head, isNamedWav);
  if (from !== undefined) yield head.subarray(from.from, from.from + from.length);
}

function bodyOf(head: Uint8Array, isNamedWav: boolean): { from: number; length: number } | undefined {
  const magic = String.fromCharCode(...head.subarray(0, 12));
  if (isNamedWav || (magic.startsWith('RIFF') && magic.endsWith('WAVE'))) {
    try {
      return wavBody(head, sampleRate);
    } catch (cause) {
      throw noSpeech('the speech service answers with sound of another kind', false, cause);
    }
  }
  if (/^(?:ID3|OggS|fLaC|....ftyp)/s.test(magic)) {
    throw noSpeech('the speech service answers with a file in place of samples', false);
  }
  // Speech begins quietly: this loud a beginning, of letters only, is a page or a message.
  if (head.every((byte) => (byte >= 0x20 && byte < 0x7f) || byte === 0x0a || byte === 0x0d || byte === 0x09)) {
    throw noSpeech('the speech service answers with text', true);
  }
  return { from: 0, length: Number.POSITIVE_INFINITY };
}

/** The same bytes with no sample cut in two; too many, or none, are no speech. */
async function* whole(pieces: AsyncGenerator<Uint8Array, void>): AsyncGenerator<Uint8Array, void> {
  let half: number | undefined;
  let size = 0;
  for await (const piece of pieces) {
    size += piece.length;
    if (size > mostBytes) throw noSpeech('the speech does not end', false);
    const bytes: Uint8Array = half === undefined ? piece : Buffer.concat([Uint8Array.of(half), piece]);
    const even = bytes.length - (bytes.length % 2);
    half = even < bytes.length ? bytes[even] : undefined;
    if (even > 0) yield bytes.subarray(0, even);
  }
  if (size < 2) throw noSpeech('the speech service answers with nothing', true);
}

function noSpeech(message: string, transient: boolean, cause?: unknown): SpeechError {
  return new SpeechError('TTS_UNAVAILABLE', { transient, message, cause });
}
