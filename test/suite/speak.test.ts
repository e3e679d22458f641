import { SpeechError, type Synthesizer } from '@parley/server/speech/port';
import { Speaker } from '@parley/server/turn/speak';
import type { Event, EventOf } from '@parley/shared/event';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

type Script = { pieces: number[]; slowness: number; fails: boolean };

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
      if (script.fails) throw new SpeechError('TTS_UNAVAILABLE', { transient: true });
    } finally {
      this.running--;
      this.closed++;
    }
  }

  async close(): Promise<void> {}
}

function speak(scripts: Script[], signal: AbortSignal = new AbortController().signal) {
  const named = new Map(scripts.map((script, i) => [`Sentence ${i}.`, script]));
  const synthesizer = new ScriptedSynthesizer(named);
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
  return { speaker, events, synthesizer };
}

const audioOf = (events: readonly Event[], sentence: number): EventOf<'agent.audio'>[] =>
  events.filter((event) => event.type === 'agent.audio').filter((event) => event.sentence === sentence);

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

  it('ends when the turn is stopped', async () => {
    const abort = new AbortController();
    const { speaker } = speak([{ pieces: [100, 100], slowness: 50, fails: false }], abort.signal);
    speaker.say({ sentence: 0, bubble: 0, text: 'Sentence 0. ' });
    abort.abort();
    await speaker.end();
    expect(speaker.sentences).toEqual([{ sentence: 0, bubble: 0, text: 'Sentence 0. ', ms: 0 }]);
  });
});
