import { type Decoder, makeDecoder } from '@parley/server/speech/decode';
import { localSynthesizer } from '@parley/server/speech/local/synthesizer';
import { localTranscriber } from '@parley/server/speech/local/transcriber';
import type { Sound, Synthesizer, Transcriber, TranscriptPart, VoiceActivity } from '@parley/server/speech/port';
import { makeSynthesizer, makeTranscriber, makeVoiceActivity } from '@parley/server/speech/registry';
import { trimSilence } from '@parley/server/speech/trim';
import type { AudioFormat } from '@parley/shared/voice';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clip, clips, wordErrors } from '../support/clip.ts';

const never = new AbortController().signal;
const rate = 16_000;

let decoder: Decoder;
let transcriber: Transcriber;
let synthesizer: Synthesizer;
let activity: VoiceActivity;
beforeAll(() => {
  decoder = makeDecoder({ threads: 1 });
  transcriber = makeTranscriber({ provider: 'local' });
  synthesizer = makeSynthesizer({ provider: 'local' });
  activity = makeVoiceActivity();
});
afterAll(async () => {
  await Promise.all([decoder, transcriber, synthesizer, activity].map((part) => part.close()));
});

function sound(name: string, format: AudioFormat): Promise<Sound> {
  return decoder.decode(clip(name), { format }, { maxSeconds: 60, maxBytes: 5_000_000 });
}

async function heard(parts: AsyncGenerator<TranscriptPart, void>): Promise<string> {
  const all = await Array.fromAsync(parts);
  expect(all.slice(0, -1).every(({ type }) => type === 'partial')).toBe(true);
  expect(all.at(-1)?.type).toBe('final');
  return all.at(-1)?.text ?? '';
}

const seconds = ({ samples }: Sound): number => samples.length / rate;

function join(...pieces: Float32Array[]): Sound {
  const samples = new Float32Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    samples.set(piece, at);
    at += piece.length;
  }
  return { samples, sampleRate: rate };
}

/** Seeded, so that every run hears the same (xorshift32). */
function noise(length: number, level: number): Float32Array {
  let state = 2_463_534_242;
  return Float32Array.from({ length }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state / 2 ** 31) * level;
  });
}

describe('local speech to text', () => {
  it('gets at least 90 % of the words of ten clips right, without the silence around them', async () => {
    const results = [];
    for (const { file, text } of clips) {
      const trimmed = await trimSilence(await sound(file, 'ogg'), activity, never);
      if (trimmed === undefined) throw new Error(`nobody speaks in ${file}`);
      results.push(wordErrors(text, await heard(transcriber.transcribe(trimmed, {}, never))));
    }
    const words = results.reduce((sum, result) => sum + result.words, 0);
    const errors = results.reduce((sum, result) => sum + result.errors, 0);
    expect(words).toBeGreaterThan(90);
    expect(1 - errors / words).toBeGreaterThanOrEqual(0.9);
  }, 60_000);

  it('says that it understands English only', () => {
    expect(transcriber).toMatchObject({ name: 'local', model: 'moonshine-tiny' });
    expect(transcriber.description).toMatch(/English only/);
  });

  it('hears a long sound in pieces, and tells what it has so far', async () => {
    const pause = new Float32Array(rate / 2);
    const said = clips.slice(0, 8);
    const sounds = await Promise.all(said.map(({ file }) => sound(file, 'ogg')));
    const long = join(...sounds.flatMap(({ samples }) => [samples, pause]));
    expect(seconds(long)).toBeGreaterThan(25);
    const parts = await Array.fromAsync(transcriber.transcribe(long, {}, never));
    expect(parts.map(({ type }) => type)).toEqual(['partial', 'final']);
    expect(parts[1]?.text.startsWith(parts[0]?.text ?? '?')).toBe(true);
    const { words, errors } = wordErrors(said.map(({ text }) => text).join(' '), parts[1]?.text ?? '');
    expect(1 - errors / words).toBeGreaterThanOrEqual(0.9);
  }, 60_000);

  it('hears nothing in nothing', async () => {
    expect(await heard(transcriber.transcribe(join(), {}, never))).toBe('');
  });

  it('leaves the sound to who gave it', async () => {
    const whole = await sound('clip-10.ogg', 'ogg');
    const before = whole.samples.slice();
    await heard(transcriber.transcribe(whole, {}, never));
    await activity.detect(whole, never);
    expect(whole.samples).toEqual(before);
  });

  it('stops at once when it is aborted, and hears the next', async () => {
    const [first, second] = await Promise.all([sound('clip-05.ogg', 'ogg'), sound('clip-10.ogg', 'ogg')]);
    const controller = new AbortController();
    const reason = new Error('interrupted');
    const hearing = heard(transcriber.transcribe(first, {}, controller.signal));
    setImmediate(() => controller.abort(reason));
    await expect(hearing).rejects.toBe(reason);
    expect(await heard(transcriber.transcribe(second, {}, never))).toMatch(/village/i);
    await expect(heard(transcriber.transcribe(second, {}, AbortSignal.abort(reason)))).rejects.toBe(reason);
  });

  it('leaves the event loop free', async () => {
    const whole = await sound('clip-05.ogg', 'ogg');
    let turns = 0;
    const counting = setInterval(() => turns++, 5);
    await heard(transcriber.transcribe(whole, {}, never));
    clearInterval(counting);
    expect(turns).toBeGreaterThan(5);
  });

  it('refuses more than may wait, and what comes after its end', async () => {
    const small = localTranscriber({ waiting: 1 });
    const whole = join(noise(rate, 0.1));
    const all = Promise.allSettled(Array.from({ length: 4 }, () => heard(small.transcribe(whole, {}, never))));
    const refused = (await all).filter((result) => result.status === 'rejected');
    expect(refused.length).toBe(2);
    expect(refused[0]?.reason).toMatchObject({ reason: 'STT_UNAVAILABLE', transient: true });
    await small.close();
    await expect(heard(small.transcribe(whole, {}, never))).rejects.toMatchObject({ reason: 'STT_UNAVAILABLE' });
  });
});

describe('local voice activity', () => {
  it('hears when somebody speaks', async () => {
    const { samples } = await sound('clip-02.ogg', 'ogg');
    const silence = new Float32Array(2 * rate);
    const stretches = await activity.detect(join(silence, samples, silence, samples, silence), never);
    expect(stretches.length).toBe(2);
    const spoken = samples.length / rate;
    expect(Math.abs((stretches[0]?.from ?? 0) - 2.3)).toBeLessThan(0.3);
    expect(Math.abs((stretches[1]?.from ?? 0) - (4.3 + spoken))).toBeLessThan(0.3);
  });

  it.each([
    ['nothing', new Float32Array(3 * rate)],
    ['no sound at all', new Float32Array(0)],
    ['white noise', noise(3 * rate, 0.1)],
    ['loud white noise', noise(3 * rate, 0.8)],
    ['a hum', Float32Array.from({ length: 3 * rate }, (_, index) => 0.3 * Math.sin((2 * Math.PI * 50 * index) / rate))],
    ['a whistle', Float32Array.from({ length: 3 * rate }, (_, index) => 0.5 * Math.sin(index))],
    ['clicks', Float32Array.from({ length: 3 * rate }, (_, index) => (index % 8_000 === 0 ? 0.9 : 0))],
    ['an offset', new Float32Array(3 * rate).fill(0.4)],
  ])('hears nobody in %s', async (_, samples) => {
    expect(await trimSilence({ samples, sampleRate: rate }, activity, never)).toBeUndefined();
  });

  it.each([
    ['silence.flac', 'flac'],
    ['noise.ogg', 'ogg'],
  ] as const)('hears nobody in %s', async (name, format) => {
    expect(await trimSilence(await sound(name, format), activity, never)).toBeUndefined();
  });

  it('keeps the speech and leaves out the silence around and within it', async () => {
    const { samples } = await sound('clip-02.ogg', 'ogg');
    const silence = new Float32Array(4 * rate);
    const long = join(silence, samples, silence, samples, silence);
    const trimmed = await trimSilence(long, activity, never);
    if (trimmed === undefined) throw new Error('nobody speaks');
    expect(seconds(trimmed)).toBeLessThan((2 * samples.length) / rate + 0.1);
    const text = await heard(transcriber.transcribe(trimmed, {}, never));
    expect(text.match(/apple trees and roses/gi)?.length).toBe(2);
  });

  it('stops when it is aborted', async () => {
    const reason = new Error('interrupted');
    const controller = new AbortController();
    const listening = activity.detect(join(noise(60 * rate, 0.1)), controller.signal);
    setImmediate(() => controller.abort(reason));
    await expect(listening).rejects.toBe(reason);
    expect(await activity.detect(join(new Float32Array(rate)), never)).toEqual([]);
  });
});

describe('local text to speech', () => {
  const speak = async (text: string, voice?: string, signal = never) =>
    Buffer.concat(await Array.fromAsync(synthesizer.synthesize(text, { voice }, signal)));

  it('says what can be understood again', async () => {
    const pcm = await speak('My father was a farmer, and my mother was a teacher.');
    expect(pcm.length % 2).toBe(0);
    const spoken = await decoder.decode(
      pcm,
      { format: 'pcm_s16le', sampleRate: synthesizer.sampleRate },
      { maxSeconds: 60, maxBytes: 5_000_000 },
    );
    expect(seconds(spoken)).toBeGreaterThan(2);
    expect(seconds(spoken)).toBeLessThan(6);
    expect(await activity.detect(spoken, never)).not.toEqual([]);
    const { errors } = wordErrors(
      'My father was a farmer, and my mother was a teacher.',
      await heard(transcriber.transcribe(spoken, {}, never)),
    );
    expect(errors).toBeLessThanOrEqual(3);
  });

  it('has voices, and its own one for a name that it does not know', async () => {
    const [standard, other, unknown] = await Promise.all([
      speak('Hello.'),
      speak('Hello.', 'rms'),
      speak('Hello.', 'alloy'),
    ]);
    expect(other.equals(standard)).toBe(false);
    expect(unknown.equals(standard)).toBe(true);
  });

  it('gives a long sentence in pieces, as they come', async () => {
    const text = `I remember ${'the house, the garden, the river and the old bridge, '.repeat(8)}and that is all.`;
    const pieces = await Array.fromAsync(synthesizer.synthesize(text, {}, never));
    expect(pieces.length).toBeGreaterThan(2);
  });

  it('refuses a script that it cannot say, plainly and for good', async () => {
    await expect(speak('你好，世界。')).rejects.toMatchObject({
      name: 'SpeechError',
      reason: 'TTS_UNAVAILABLE',
      transient: false,
      message: 'the local voice speaks English only',
    });
  });

  it('is silent where there is nothing to say', async () => {
    expect((await speak('… — !')).length).toBe(0);
  });

  it('takes no text for an option', async () => {
    expect((await speak('-o /tmp/x.wav')).length).toBeGreaterThan(10_000);
  });

  it('says a word without end in bounded time', async () => {
    const pieces = synthesizer.synthesize('x'.repeat(5_000), {}, never);
    expect((await pieces.next()).value?.length).toBeGreaterThan(0);
    await pieces.return();
  });

  it('stops when it is aborted, and says the next', async () => {
    const reason = new Error('interrupted');
    const controller = new AbortController();
    const speaking = speak('We had a big garden with apple trees and roses.', undefined, controller.signal);
    setImmediate(() => controller.abort(reason));
    await expect(speaking).rejects.toBe(reason);
    expect((await speak('Hello.')).length).toBeGreaterThan(1_000);
  });

  it('refuses what comes after its end', async () => {
    const closed = localSynthesizer();
    await closed.close();
    await expect(Array.fromAsync(closed.synthesize('Hello.', {}, never))).rejects.toMatchObject({
      reason: 'TTS_UNAVAILABLE',
    });
  });
});
