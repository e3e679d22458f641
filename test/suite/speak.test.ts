import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { SpeechError, type Synthesizer } from '@parley/server/speech/port';
import { Speaker } from '@parley/server/turn/speak';
import type { Event, EventOf } from '@parley/shared/event';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished, vi } from 'vitest';

/** What fails has had no answer, or none any more, unless it was refused. */
type Script = { pieces: number[]; slowness: number; fails: boolean | 'refused' };

/** Gives for each sentence the pieces of its script, after as many turns of the event loop as the script is slow. */
class ScriptedSynthesizer implements Synthesizer {
  readonly name = 'scripted';
  readonly model = 'scripted';
  readonly sampleRate = 16_000;
  readonly #scripts: Map<string, Script>;
  running = 0;
  mostRunning = 0;
  closed = 0;

  constructor(scripts: Map<string, Script>) {
    this.#scripts = scripts;
  }

  async *synthesize(text: string, _options: object, signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
    const script = this.#scripts.get(text);
    if (!script) throw new Error(`no script for ${text}`);
    this.running++;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    try {
      for (const size of script.pieces) {
        for (let i = 0; i < script.slowness; i++) await new Promise((resolve) => setImmediate(resolve));
        signal.throwIfAborted();
        yield new Uint8Array(size * 2);
      }
      if (!script.fails) return;
      throw new SpeechError('TTS_UNAVAILABLE', { transient: true, unanswered: script.fails !== 'refused' });
    } finally {
      this.running--;
      this.closed++;
    }
  }

  async close(): Promise<void> {}
}

function speak(scripts: Script[], signal?: AbortSignal) {
  const named = new Map(scripts.map((script, i) => [`Sentence ${i}.`, script]));
  const synthesizer = new ScriptedSynthesizer(named);
  return { ...speakBy(synthesizer, signal), synthesizer };
}

function speakBy(synthesizer: Synthesizer, signal = new AbortController().signal) {
  const events: Event[] = [];
  const speaker = new Speaker({
    synthesizer,
    voice: undefined,
    language: 'en',
    turn: { conversationId: 'c', turnId: 't' },
    signal,
    push: (pushed) => {
      events.push(...pushed);
      return undefined;
    },
    onAudio: () => undefined,
    keep: false,
  });
  return { speaker, events };
}

const audioOf = (events: readonly Event[], sentence: number): EventOf<'agent.audio'>[] =>
  events.filter((event) => event.type === 'agent.audio').filter((event) => event.sentence === sentence);

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const failedOf = (events: readonly Event[]): number[] =>
  events.flatMap((event) => (event.type === 'agent.audioFailed' ? [event.sentence] : []));

const script = fc.record({
  pieces: fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 3 }),
  slowness: fc.integer({ min: 0, max: 6 }),
  fails: fc.boolean(),
});

describe('speaking ahead', () => {
  it('sends sentences in order and whole, however slow each synthesis is, whichever fails', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(script, { minLength: 1, maxLength: 8 }), async (scripts) => {
        const { speaker, events, synthesizer } = speak(scripts);
        scripts.forEach((_, i) => {
          speaker.say({ sentence: i, bubble: 0, text: `Sentence ${i}. ` });
        });
        await speaker.end();
        expect(synthesizer.mostRunning).toBeLessThanOrEqual(3);
        const order = events.flatMap((event) => ('sentence' in event ? [event.sentence] : []));
        expect(order).toEqual(order.toSorted((a, b) => a - b));
        scripts.forEach(({ pieces, fails }, i) => {
          const audio = audioOf(events, i);
          const bytes = audio.reduce((sum, { data }) => sum + data.length, 0);
          expect(audio.map(({ chunk }) => chunk)).toEqual(audio.map((_, chunk) => chunk));
          expect(bytes).toBe(pieces.reduce((sum, size) => sum + size * 2, 0));
          expect(audio.map(({ last }) => last)).toEqual(audio.map((_, n) => n === audio.length - 1));
          const failures = events.filter((event) => event.type === 'agent.audioFailed' && event.sentence === i);
          expect(failures.length).toBe(fails ? 1 : 0);
          const ms = speaker.sentences[i]?.ms ?? 0;
          expect(ms).toBeCloseTo((bytes / 2 / 16_000) * 1000, 5);
        });
      }),
      { numRuns: 150 },
    );
  });

  it('leaves no hole for what is only for the eye', async () => {
    const { speaker, events } = speak([{ pieces: [10], slowness: 0, fails: false }]);
    speaker.say({ sentence: 0, bubble: 0, text: 'Sentence 0. ' });
    speaker.say({ sentence: 1, bubble: 0, text: '```js\nlet a;\n```', code: true });
    speaker.say({ sentence: 2, bubble: 0, text: '🙂 ' });
    await speaker.end();
    expect(audioOf(events, 1)).toMatchObject([{ chunk: 0, last: true }]);
    expect(audioOf(events, 2)).toMatchObject([{ chunk: 0, last: true }]);
  });

  it('stops at once and for good when it is silenced, and lets the synthesizer go', async () => {
    const { speaker, events, synthesizer } = speak(
      Array.from({ length: 6 }, () => ({ pieces: [100, 100, 100], slowness: 50, fails: false })),
    );
    for (let i = 0; i < 6; i++) speaker.say({ sentence: i, bubble: 0, text: `Sentence ${i}. ` });
    await new Promise((resolve) => setImmediate(resolve));
    expect(speaker.silence()).toBe(true);
    const before = events.length;
    await speaker.end();
    expect(events.length).toBe(before);
    expect(speaker.silence()).toBe(false);
    while (synthesizer.running > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(synthesizer.closed).toBeLessThanOrEqual(3);
  });

  // Guard: who has ended no longer listens to the turn's signal.
  it('is kept by nothing when it has ended', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage: unknown = runInNewContext('gc');
    const said = async () => {
      const { speaker } = speak([{ pieces: [100], slowness: 1, fails: false }], new AbortController().signal);
      speaker.say({ sentence: 0, bubble: 0, text: 'Sentence 0. ' });
      await speaker.end();
      return new WeakRef(speaker);
    };
    const ended = await Promise.all(Array.from({ length: 8 }, said));
    const kept = (): number => {
      if (typeof collectGarbage === 'function') collectGarbage();
      return ended.filter((one) => one.deref()).length;
    };
    await expect.poll(kept).toBe(0);
  });

  it('ends when the turn is stopped', async () => {
    const abort = new AbortController();
    const { speaker } = speak([{ pieces: [100, 100], slowness: 50, fails: false }], abort.signal);
    speaker.say({ sentence: 0, bubble: 0, text: 'Sentence 0. ' });
    abort.abort();
    await speaker.end();
    expect(speaker.sentences).toEqual([{ sentence: 0, bubble: 0, text: 'Sentence 0. ', ms: 0 }]);
  });
});

describe('a service that is not there', () => {
  const silent: Script = { pieces: [], slowness: 0, fails: true };
  const heard: Script = { pieces: [10], slowness: 1, fails: false };

  // Guard: patience with a service that answers nothing is over for all that remains.
  it('is asked for two sentences and those beside them, and all fail, without a hole', async () => {
    const { speaker, events, synthesizer } = speak(Array.from({ length: 12 }, () => silent));
    for (let i = 0; i < 12; i++) {
      const text = i === 5 ? '🙂 ' : `Sentence ${i}. `;
      speaker.say({ sentence: i, bubble: 0, text });
    }
    await speaker.end();
    expect(synthesizer.closed).toBeLessThanOrEqual(4);
    expect(events.flatMap((event) => ('sentence' in event ? [event.sentence] : []))).toEqual([...Array(12).keys()]);
    expect(failedOf(events)).toEqual([0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]);
    expect(audioOf(events, 5)).toMatchObject([{ chunk: 0, last: true }]);
  });

  // Guards: only what has had no answer counts, and sound in between begins the count anew.
  it('is one that answers to nothing: what is heard in between keeps it', async () => {
    const broken: Script = { pieces: [10], slowness: 0, fails: true };
    const refused: Script = { pieces: [], slowness: 0, fails: 'refused' };
    const scripts = [silent, heard, silent, broken, broken, refused, refused, refused, heard];
    const { speaker, events } = speak(scripts);
    for (let i = 0; i < scripts.length; i++) {
      speaker.say({ sentence: i, bubble: 0, text: `Sentence ${i}. ` });
      while (!events.some((event) => 'sentence' in event && event.sentence === i)) await turn();
    }
    await speaker.end();
    expect(failedOf(events)).toEqual([0, 2, 3, 4, 5, 6, 7]);
    expect(audioOf(events, 8)).toHaveLength(1);
  });

  // Guards: the bound on what is quiet, and each sound that puts it off.
  it('is not waited for when the text is whole and nothing comes, and is while sound does', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    let next = Promise.withResolvers<Uint8Array>();
    const { speaker, events } = speakBy({
      name: 'slow',
      model: 'slow',
      sampleRate: 16_000,
      async *synthesize(_text, _options, signal) {
        signal.addEventListener('abort', () => next.reject(signal.reason));
        for (;;) {
          yield await next.promise;
          next = Promise.withResolvers();
        }
      },
      close: async () => {},
    });
    speaker.say({ sentence: 0, bubble: 0, text: 'Sentence 0. ' });
    const ended = speaker.end();
    vi.advanceTimersByTime(29_000);
    next.resolve(new Uint8Array(8_000));
    while (events.length === 0) await turn();
    vi.advanceTimersByTime(29_000);
    await turn();
    expect(failedOf(events)).toEqual([]);
    vi.advanceTimersByTime(1_000);
    await ended;
    expect(failedOf(events)).toEqual([0]);
    expect(audioOf(events, 0).map(({ last }) => last)).toEqual([false, true]);
    const { speaker: other } = speak([heard]);
    other.say({ sentence: 0, bubble: 0, text: 'Sentence 0. ' });
    await other.end();
    expect(vi.getTimerCount()).toBe(0);
  });
});
