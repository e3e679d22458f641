import { makeDecoder } from '@parley/server/speech/decode';
import { openaiSynthesizer } from '@parley/server/speech/openai/synthesizer';
import { openaiTranscriber } from '@parley/server/speech/openai/transcriber';
import { expect, it } from 'vitest';
import { wordErrors } from '../support/clip.ts';

const apiKey = process.env.OPENAI_API_KEY;
const baseURL = process.env.OPENAI_BASE_URL;

/** The real service, when there is a key for it. */
it.skipIf(!apiKey)('hears what it says', async () => {
  const said = 'We had a big garden with apple trees and roses.';
  const signal = new AbortController().signal;
  const synthesizer = openaiSynthesizer({ model: process.env.TTS_MODEL ?? 'gpt-4o-mini-tts', apiKey, baseURL });
  const transcriber = openaiTranscriber({ model: process.env.STT_MODEL ?? 'gpt-4o-mini-transcribe', apiKey, baseURL });
  const decoder = makeDecoder();
  const pcm = Buffer.concat(await Array.fromAsync(synthesizer.synthesize(said, {}, signal)));
  const source = { format: 'pcm_s16le', sampleRate: synthesizer.sampleRate } as const;
  const sound = await decoder.decode(pcm, source, { maxSeconds: 60, maxBytes: 5_000_000 });
  const parts = await Array.fromAsync(transcriber.transcribe(sound, { language: 'en' }, signal));
  await decoder.close();
  expect(parts.at(-1)?.type).toBe('final');
  expect(wordErrors(said, parts.at(-1)?.text ?? '').errors).toBeLessThanOrEqual(1);
});
