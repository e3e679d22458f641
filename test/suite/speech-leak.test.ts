import { makeDecoder } from '@parley/server/speech/decode';
import { localVoiceActivity } from '@parley/server/speech/local/activity';
import { localSynthesizer } from '@parley/server/speech/local/synthesizer';
import { localTranscriber } from '@parley/server/speech/local/transcriber';
import { expect, it } from 'vitest';
import { clip } from '../support/clip.ts';

const threads = () => process.getActiveResourcesInfo().filter((name) => /Worker|MessagePort|Timeout/.test(name)).length;

it('closing leaves no thread, port or timer, also in the middle of the work', async () => {
  const signal = new AbortController().signal;
  const before = threads();
  for (const isBusy of [false, true]) {
    const decoder = makeDecoder();
    const [transcriber, synthesizer, activity] = [localTranscriber(), localSynthesizer(), localVoiceActivity()];
    const sound = await decoder.decode(clip('clip-10.ogg'), { format: 'ogg' }, { maxSeconds: 60, maxBytes: 1_000_000 });
    const work = [
      Array.fromAsync(transcriber.transcribe(sound, {}, signal)),
      Array.fromAsync(synthesizer.synthesize('We came back to the village.', {}, signal)),
      activity.detect(sound, signal),
      decoder.decode(clip('clip-09.ogg'), { format: 'ogg' }, { maxSeconds: 60, maxBytes: 1_000_000 }),
    ];
    const settled = Promise.allSettled(work);
    if (!isBusy) await settled;
    else expect(threads()).toBeGreaterThan(before);
    await Promise.all([decoder, transcriber, synthesizer, activity].map((part) => part.close()));
    const expected = isBusy ? 'rejected' : 'fulfilled';
    expect((await settled).map(({ status }) => status)).toEqual(work.map(() => expected));
  }
  expect(threads()).toBeLessThanOrEqual(before);
});
