import { LLMock } from '@copilotkit/aimock';
import { openaiTranscriber } from '@parley/server/speech/openai/transcriber';
import type { TranscriptPart } from '@parley/server/speech/port';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gate, refusal } from '../support/provider.ts';
import {
  type SpeechProvider,
  startSpeechProvider,
  streamedTranscript,
  transcript,
} from '../support/speech-provider.ts';

const sound = {
  samples: Float32Array.from({ length: 8_000 }, (_, index) => Math.sin(index / 7) / 2),
  sampleRate: 16_000,
};
const never = new AbortController().signal;

async function gather(parts: AsyncGenerator<TranscriptPart, void>): Promise<TranscriptPart[]> {
  return await Array.fromAsync(parts);
}

let provider: SpeechProvider;
beforeEach(async () => {
  provider = await startSpeechProvider();
});
afterEach(() => provider.close());

const whisper = (deadlines = {}) =>
  openaiTranscriber({ model: 'whisper-1', apiKey: 'key', baseURL: provider.url, deadlines });
const streamed = (deadlines = {}) =>
  openaiTranscriber({ model: 'gpt-4o-mini-transcribe', apiKey: 'key', baseURL: provider.url, deadlines });
const hear = (transcriber = whisper(), signal = never) => gather(transcriber.transcribe(sound, {}, signal));

describe('openaiTranscriber', () => {
  it('uploads a WAV file that is the sound', async () => {
    provider.script(transcript('Hello.'));
    expect(await gather(whisper().transcribe(sound, { language: 'en-US' }, never))).toEqual([
      { type: 'final', text: 'Hello.' },
    ]);
    const [request] = provider.requests;
    expect(request?.path).toBe('/v1/audio/transcriptions');
    expect(request?.headers.authorization).toBe('Bearer key');
    expect(request?.fields).toEqual({ model: 'whisper-1', response_format: 'json', language: 'en' });
    const bytes = request?.file?.bytes ?? new Uint8Array();
    const view = new DataView(bytes.buffer);
    expect([request?.file?.name, bytes.length, view.getUint32(24, true)]).toEqual(['speech.wav', 44 + 16_000, 16_000]);
    expect(view.getInt16(44 + 2 * 100, true)).toBe(Math.round((sound.samples[100] ?? 0) * 32_767));
  });

  it('leaves out a language that is none', async () => {
    await gather(whisper().transcribe(sound, { language: 'x-klingon' }, never));
    expect(provider.requests[0]?.fields).not.toHaveProperty('language');
  });

  it('tells what is understood so far, as it comes', async () => {
    const rest = gate();
    provider.script(streamedTranscript(['We had ', rest, 'a garden 春']));
    const parts = streamed().transcribe(sound, {}, never);
    expect((await parts.next()).value).toEqual({ type: 'partial', text: 'We had ' });
    rest.release();
    expect(await gather(parts)).toEqual([
      { type: 'partial', text: 'We had a garden 春' },
      { type: 'final', text: 'We had a garden 春' },
    ]);
    expect(provider.requests[0]?.fields.stream).toBe('true');
  });

  it('takes JSON of a service that does not stream after all', async () => {
    provider.script(transcript('All at once.'));
    expect(await hear(streamed())).toEqual([{ type: 'final', text: 'All at once.' }]);
  });

  it.each([
    ['a page', { headers: { 'content-type': 'text/html' }, steps: ['<html>busy</html>'] }, 2],
    ['nothing', { headers: { 'content-type': 'application/json' }, steps: [] }, 2],
    ['half a document', { headers: { 'content-type': 'application/json' }, steps: ['{"text": "He'] }, 1],
    ['a document without a text', { headers: { 'content-type': 'application/json' }, steps: ['{"error": null}'] }, 1],
    ['a stream that ends too early', streamedTranscript(['We had '], false), 1],
    ['an event that is none', { steps: ['data: {"type": "transc\n\n'] }, 1],
    ['an error in the stream', { steps: ['data: {"error": {"message": "boom", "type": "server_error"}}\n\n'] }, 1],
    ['a reset in the stream', streamedTranscript(['We had ', { pauseMs: 30 }, 'reset'], false), 1],
  ])('takes %s for no transcript', async (_, script, attempts) => {
    provider.script(script, script);
    await expect(hear(streamed())).rejects.toMatchObject({ reason: 'STT_UNAVAILABLE', transient: true });
    expect(provider.requests.length).toBe(attempts);
  });

  it.each([
    [500, 'STT_UNAVAILABLE', 2],
    [429, 'STT_UNAVAILABLE', 2],
    [401, 'STT_UNAVAILABLE', 1],
    [404, 'STT_UNAVAILABLE', 1],
    [400, 'TRANSCRIPTION_FAILED', 1],
    [413, 'TRANSCRIPTION_FAILED', 1],
  ])('takes %i for %s, in %i attempts', async (status, reason, attempts) => {
    provider.script(refusal(status), refusal(status), transcript('too late'));
    await expect(hear()).rejects.toMatchObject({ reason, transient: attempts > 1 });
    expect(provider.requests.length).toBe(attempts);
  });

  it('tries once more when there was no answer', async () => {
    provider.script({ steps: ['reset'] }, transcript('Now.'));
    expect(await hear()).toEqual([{ type: 'final', text: 'Now.' }]);
    expect(provider.requests.length).toBe(2);
  });

  it('does not try again when the quota is used up', async () => {
    provider.script(refusal(429, {}, { code: 'insufficient_quota' }));
    await expect(hear()).rejects.toMatchObject({ transient: false });
    expect(provider.requests.length).toBe(1);
  });

  it('gives up a service that does not begin, twice, and closes both connections', async () => {
    provider.script({ steps: [gate()] }, { steps: [gate()] });
    await expect(hear(whisper({ firstByteMs: 60 }))).rejects.toMatchObject({ reason: 'STT_UNAVAILABLE' });
    expect(await Promise.all(provider.requests.map(({ ended }) => ended))).toEqual(['aborted', 'aborted']);
  });

  it('gives up a service that stalls, and does not ask again', async () => {
    provider.script(streamedTranscript(['We had ', gate()]));
    await expect(hear(streamed({ idleMs: 60 }))).rejects.toMatchObject({ reason: 'STT_UNAVAILABLE', transient: true });
    expect(provider.requests.length).toBe(1);
    expect(await provider.requests[0]?.ended).toBe('aborted');
  });

  it('gives up a service that never ends', async () => {
    provider.script(streamedTranscript(Array.from({ length: 200 }, () => ({ pauseMs: 20 }))));
    await expect(hear(streamed({ totalMs: 200 }))).rejects.toMatchObject({ reason: 'STT_UNAVAILABLE' });
    expect(provider.requests.length).toBe(1);
  });

  it('closes the connection when it is aborted, with the reason given', async () => {
    provider.script(streamedTranscript(['We had ', gate()]));
    const controller = new AbortController();
    const parts = streamed().transcribe(sound, {}, controller.signal);
    await parts.next();
    const reason = new Error('interrupted');
    controller.abort(reason);
    await expect(parts.next()).rejects.toBe(reason);
    expect(await provider.requests[0]?.ended).toBe('aborted');
  });

  it('closes the connection when nobody reads on', async () => {
    provider.script(streamedTranscript(['We had ', gate()]));
    for await (const part of streamed().transcribe(sound, {}, never)) {
      expect(part.type).toBe('partial');
      break;
    }
    expect(await provider.requests[0]?.ended).toBe('aborted');
  });

  it('makes no request when it was aborted before', async () => {
    const reason = new Error('too late');
    await expect(hear(whisper(), AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(provider.requests.length).toBe(0);
  });

  it('does not wait for the end of a stream that says it is done', async () => {
    const { steps } = streamedTranscript(['We had ', 'a garden']);
    provider.script({ steps: [...steps, gate()] });
    expect((await hear(streamed({ idleMs: 5_000 }))).at(-1)).toEqual({ type: 'final', text: 'We had a garden' });
    expect(await provider.requests[0]?.ended).toBe('aborted');
  });

  it('uses its connections again', async () => {
    for (let number = 0; number < 8; number++) await hear();
    // A connection is free a moment after its answer has been read: the next request may already have taken another.
    expect(new Set(provider.requests.map(({ connection }) => connection)).size).toBeLessThanOrEqual(2);
  });
});

describe('openaiTranscriber with aimock', () => {
  let mock: LLMock;
  beforeEach(async () => {
    mock = await LLMock.create({ port: 0, chunkSize: 6 });
    mock.onTranscription({ transcription: { text: 'My father was a farmer.' } });
  });
  afterEach(() => mock.stop());
  const transcriber = (model: string) => openaiTranscriber({ model, apiKey: 'mock', baseURL: `${mock.url}/v1` });

  it('reads a transcript', async () => {
    expect(await hear(transcriber('whisper-1'))).toEqual([{ type: 'final', text: 'My father was a farmer.' }]);
  });

  it('reads a streamed transcript', async () => {
    const parts = await hear(transcriber('gpt-4o-transcribe'));
    expect(parts.length).toBeGreaterThan(3);
    expect(parts[0]).toEqual({ type: 'partial', text: 'My fat' });
    expect(parts.at(-1)).toEqual({ type: 'final', text: 'My father was a farmer.' });
  });

  it('tries again after a 500', async () => {
    mock.nextRequestError(500, { message: 'boom', type: 'server_error' });
    expect((await hear(transcriber('whisper-1'))).at(-1)).toEqual({ type: 'final', text: 'My father was a farmer.' });
  });
});
