import { readSound } from '@parley/server/speech/audio/read';
import { Resampler } from '@parley/server/speech/audio/resample';
import { makeDecoder } from '@parley/server/speech/decode';
import { localVoiceActivity } from '@parley/server/speech/local/activity';
import { localSynthesizer } from '@parley/server/speech/local/synthesizer';
import { localTranscriber } from '@parley/server/speech/local/transcriber';
import { expect, it, onTestFinished, vi } from 'vitest';
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

// Guards: the resampler of a recording that is given up is freed, and with it all that it had of its module's memory. A
// decoder's thread never ends, and neither does that memory.
it('recordings that are refused in the middle leave nothing in the memory of the resampler', async () => {
  const [create, free] = [vi.spyOn(Resampler, 'create'), vi.spyOn(Resampler.prototype, 'free')];
  const grow = vi.spyOn(WebAssembly.Memory.prototype, 'grow');
  onTestFinished(() => void vi.restoreAllMocks());
  for (const [format, seconds] of [
    ['webm', 0.6],
    ['mp3', 2.2],
  ] as const) {
    const refused = readSound(format, clip(`format.${format}`), seconds, () => false);
    await expect(refused).rejects.toMatchObject({ refusal: 'too long' });
  }
  const made = await Promise.all(create.mock.results.map(({ value }) => value));
  expect(made).toHaveLength(2);
  expect(free.mock.contexts).toEqual(made);

  // Together more than the module has to begin with.
  for (let i = 0; i < 1_000; i++) {
    const resampler = await Resampler.create(24_000, 16_000);
    resampler.push(new Float32Array(100));
    resampler.free();
  }
  expect(grow).not.toHaveBeenCalled();
});
