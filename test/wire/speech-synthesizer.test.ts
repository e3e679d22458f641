import { LLMock } from '@copilotkit/aimock';
import { openaiSynthesizer } from '@parley/server/speech/openai/synthesizer';
import { wavFile } from '@parley/server/speech/openai/wav';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clip } from '../support/clip.ts';
import { gate, refusal } from '../support/provider.ts';
import { pcm, type SpeechProvider, startSpeechProvider, tone } from '../support/speech-provider.ts';

const never = new AbortController().signal;
const sound = tone();

let provider: SpeechProvider;
beforeEach(async () => {
  provider = await startSpeechProvider();
});
afterEach(() => provider.close());

const service = (deadlines = {}) =>
  openaiSynthesizer({ model: 'tts-1', baseURL: provider.url, deadlines, voice: 'nova' });
const speak = (synthesizer = service(), signal = never, voice?: string) =>
  Array.fromAsync(synthesizer.synthesize('Good morning.', { voice }, signal));
const typed = (type: string, ...steps: (string | Uint8Array)[]) => ({ headers: { 'content-type': type }, steps });

describe('openaiSynthesizer', () => {
  it('asks for samples in the voice that is wished for, or in the configured one', async () => {
    await speak();
    await speak(service(), never, 'echo');
    const asked = { model: 'tts-1', input: 'Good morning.', response_format: 'pcm' };
    expect(provider.requests.map(({ path }) => path)).toEqual(['/v1/audio/speech', '/v1/audio/speech']);
    expect(provider.requests[0]?.fields).toEqual({ ...asked, voice: 'nova' });
    expect(provider.requests[1]?.fields).toEqual({ ...asked, voice: 'echo' });
  });

  it('passes samples on before the last ones have come', async () => {
    const rest = gate();
    provider.script(pcm(sound.subarray(0, 20_000), rest, sound.subarray(20_000)));
    const pieces = service().synthesize('Good morning.', {}, never);
    const first = await pieces.next();
    rest.release();
    const all = Buffer.concat([first.value ?? new Uint8Array(), ...(await Array.fromAsync(pieces))]);
    expect(all.equals(sound)).toBe(true);
  });

  it.each([1, 3, 63, 64, 65, 999])('cuts no sample in two when %i bytes come first', async (first) => {
    const odd = [sound.subarray(0, first), sound.subarray(first, first + 501), sound.subarray(first + 501)];
    provider.script(pcm(...odd));
    const pieces = await speak();
    expect(pieces.every(({ length }) => length > 0 && length % 2 === 0)).toBe(true);
    expect(Buffer.concat(pieces).equals(sound)).toBe(true);
  });

  it('leaves out half a sample at the end', async () => {
    provider.script(pcm(sound.subarray(0, 20_001)));
    expect(Buffer.concat(await speak()).equals(sound.subarray(0, 20_000))).toBe(true);
  });

  it('takes the samples out of a WAV file of the same kind, wherever it is cut', async () => {
    const samples = Float32Array.from({ length: 5_000 }, (_, index) => Math.sin(index / 7) / 2);
    const wav = new Uint8Array(await wavFile({ samples, sampleRate: 24_000 }).arrayBuffer());
    const trailer = new TextEncoder().encode('LIST....INFO');
    for (const cut of [1, 11, 30, 43, 45, 500]) {
      provider.script(typed('audio/wav', wav.subarray(0, cut), wav.subarray(cut), trailer));
      expect(Buffer.concat(await speak()).equals(wav.subarray(44))).toBe(true);
    }
    provider.script(pcm(wav));
    expect(Buffer.concat(await speak()).equals(wav.subarray(44))).toBe(true);
  });

  it.each([
    ['a page', typed('text/html', '<html>busy</html>'), true, 2],
    ['a document', typed('application/json', '{"error": "busy"}'), true, 2],
    ['nothing', pcm(), true, 2],
    ['half a sample', pcm(Uint8Array.of(7)), true, 1],
    ['a document that is called samples', pcm('{"error": {"message": "the model is overloaded, try again"}}'), true, 1],
    ['MP3', typed('audio/mpeg', clip('format.mp3')), false, 1],
    ['Ogg that is called samples', pcm(clip('format.ogg')), false, 1],
    ['a WAV file at another rate', typed('audio/wav', clip('format.wav')), false, 1],
    ['a WAV file that is none', typed('audio/wav', new Uint8Array(300)), false, 1],
  ])('takes %s for no speech', async (_, script, transient, attempts) => {
    provider.script(script, script);
    await expect(speak()).rejects.toMatchObject({ reason: 'TTS_UNAVAILABLE', transient });
    expect(provider.requests.length).toBe(attempts);
  });

  it.each([
    [503, 2],
    [429, 2],
    [400, 1],
    [401, 1],
  ])('takes %i for an outage, in %i attempts', async (status, attempts) => {
    provider.script(refusal(status), refusal(status));
    await expect(speak()).rejects.toMatchObject({ reason: 'TTS_UNAVAILABLE', transient: attempts > 1 });
    expect(provider.requests.length).toBe(attempts);
  });

  it('tries once more before the first byte, and never after it', async () => {
    provider.script({ steps: ['reset'] }, pcm(sound));
    expect(Buffer.concat(await speak()).equals(sound)).toBe(true);
    provider.script(pcm(sound.subarray(0, 10_000), { pauseMs: 30 }, 'reset'), pcm(sound));
    await expect(speak()).rejects.toMatchObject({ reason: 'TTS_UNAVAILABLE', transient: true });
    expect(provider.requests.length).toBe(3);
  });

  it('gives up a service that stalls', async () => {
    provider.script(pcm(sound.subarray(0, 10_000), gate()));
    await expect(speak(service({ idleMs: 60 }))).rejects.toMatchObject({ reason: 'TTS_UNAVAILABLE' });
    expect(await provider.requests[0]?.ended).toBe('aborted');
  });

  it('does not count the time of a slow reader as the service idling', async () => {
    provider.script(pcm(sound.subarray(0, 10_000), { pauseMs: 20 }, sound.subarray(10_000)));
    const pieces = service({ idleMs: 250 }).synthesize('Good morning.', {}, never);
    const first = await pieces.next();
    await new Promise((resolve) => setTimeout(resolve, 400));
    const all = Buffer.concat([first.value ?? new Uint8Array(), ...(await Array.fromAsync(pieces))]);
    expect(all.length).toBe(sound.length);
  });

  it('closes the connection when it is aborted, with the reason given', async () => {
    provider.script(pcm(sound.subarray(0, 10_000), gate()));
    const controller = new AbortController();
    const pieces = service().synthesize('Good morning.', {}, controller.signal);
    await pieces.next();
    const reason = new Error('interrupted');
    controller.abort(reason);
    await expect(pieces.next()).rejects.toBe(reason);
    expect(await provider.requests[0]?.ended).toBe('aborted');
  });

  it('stops waiting for a second attempt when it is aborted', async () => {
    provider.script(refusal(503, { 'retry-after': '2' }), pcm(sound));
    const controller = new AbortController();
    const speech = speak(service(), controller.signal);
    await (await provider.request(0)).ended;
    const reason = new Error('interrupted');
    controller.abort(reason);
    await expect(speech).rejects.toBe(reason);
    expect(provider.requests.length).toBe(1);
  });
});

describe('openaiSynthesizer with aimock', () => {
  let mock: LLMock;
  beforeEach(async () => {
    mock = await LLMock.create({ port: 0 });
  });
  afterEach(() => mock.stop());
  const synthesizer = () => openaiSynthesizer({ model: 'tts-1', apiKey: 'mock', baseURL: `${mock.url}/v1` });

  it('speaks', async () => {
    mock.onSpeech('Good morning.', { audio: Buffer.from(sound).toString('base64'), format: 'pcm' });
    expect(Buffer.concat(await speak(synthesizer())).equals(sound)).toBe(true);
  });

  it('refuses a format that it did not ask for', async () => {
    mock.onSpeech('Good morning.', { audio: Buffer.from(clip('format.mp3')).toString('base64'), format: 'mp3' });
    await expect(speak(synthesizer())).rejects.toMatchObject({ reason: 'TTS_UNAVAILABLE', transient: false });
  });
});
