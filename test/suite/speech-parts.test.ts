import { pronounceable } from '@parley/server/speech/local/pronounceable';
import { findSpeech } from '@parley/server/speech/local/stretch';
import { cutWindows } from '@parley/server/speech/local/window';
import { eventData } from '@parley/server/speech/openai/events';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

describe('eventData', () => {
  it('finds the same events however their bytes are cut', async () => {
    const lineEnd = fc.constantFrom('\n', '\r\n', '\r');
    const events = fc.array(
      fc.string({ unit: 'grapheme', minLength: 1 }).map((text) => JSON.stringify({ text })),
      { maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(events, lineEnd, fc.array(fc.nat(200), { maxLength: 20 }), async (sent, end, cuts) => {
        const lines = sent.flatMap((data) => ['event: some', `data: ${data}`, ': comment', '']);
        // What is after a return at the end of the bytes cannot be known: a last line follows.
        const bytes = new TextEncoder().encode([...lines, ': bye', ''].join(end));
        const places = [0, ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
        const pieces = places.map((place, index) => bytes.subarray(places[index - 1] ?? 0, place));
        expect(
          await Array.fromAsync(
            eventData(
              (async function* () {
                yield* pieces;
              })(),
            ),
          ),
        ).toEqual(sent);
      }),
    );
  });
});

describe('findSpeech', () => {
  const frames = (...runs: [probability: number, count: number][]): Float32Array =>
    Float32Array.from(runs.flatMap(([probability, count]) => Array.from({ length: count }, () => probability)));
  const found = (...runs: [number, number][]) =>
    findSpeech(frames(...runs)).map(({ from, to }) => [Math.round(from / 0.032), Math.round(to / 0.032)]);

  it('finds nothing in silence', () => {
    expect(found()).toEqual([]);
    expect(found([0.1, 50])).toEqual([]);
    expect(found([0.49, 50])).toEqual([]);
  });

  it('finds speech up to the end', () => {
    expect(found([0.1, 10], [0.9, 20])).toEqual([[10, 30]]);
  });

  it('leaves short pauses in it and parts it at long ones', () => {
    expect(found([0.9, 10], [0.1, 4], [0.9, 10], [0.1, 20], [0.9, 10], [0.1, 20])).toEqual([
      [0, 24],
      [44, 54],
    ]);
  });

  it('does not flicker', () => {
    expect(found([0.6, 1], [0.4, 15], [0.6, 1], [0, 20])).toEqual([[0, 17]]);
  });

  it('takes a click for no speech', () => {
    expect(found([0.1, 10], [0.9, 4], [0.1, 20])).toEqual([]);
  });
});

describe('cutWindows', () => {
  const sampleRate = 16_000;

  it('cuts a long sound where it is quiet, and loses nothing', () => {
    const samples = Float32Array.from({ length: 50 * sampleRate }, (_, index) => Math.sin(index / 9) / 2);
    samples.fill(0, 13 * sampleRate, 13.5 * sampleRate);
    samples.fill(0, 30 * sampleRate, 30.5 * sampleRate);
    const windows = cutWindows({ samples, sampleRate });
    expect(windows.map(({ length }) => length / sampleRate)).toEqual([
      expect.closeTo(13.25, 0),
      expect.closeTo(17, 0),
      expect.closeTo(19.75, 0),
    ]);
    expect(Math.abs((windows[0]?.length ?? 0) / sampleRate - 13.25)).toBeLessThan(0.15);
    expect(windows.reduce((sum, { length }) => sum + length, 0)).toBe(samples.length);
  });

  it('leaves a short sound whole', () => {
    const samples = new Float32Array(20 * sampleRate);
    expect(cutWindows({ samples, sampleRate })).toEqual([samples]);
  });

  it('keeps every window within the bound', () => {
    const samples = Float32Array.from({ length: 300 * sampleRate }, (_, index) => Math.sin(index / 9));
    const lengths = cutWindows({ samples, sampleRate }).map(({ length }) => length / sampleRate);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(20);
    expect(lengths.length).toBeLessThanOrEqual(31);
  });
});

describe('pronounceable', () => {
  it('spells what Flite does not know', () => {
    expect(pronounceable('“Café” — it’s 20° in Zürich…')).toEqual(["Cafe, it's 20 degrees in Zurich."]);
    expect(pronounceable('It costs €3.50.')).toEqual(['It costs 3.50 euros.']);
  });

  it('has nothing to say where there is nothing', () => {
    expect(pronounceable('')).toEqual([]);
    expect(pronounceable(' … — !?')).toEqual([]);
  });

  it('does not know other scripts', () => {
    expect(pronounceable('你好，世界')).toBeUndefined();
    expect(pronounceable('Привет, мир 2')).toBeUndefined();
  });

  it('gives short pieces of ASCII, whatever comes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 2_000 }), (text) => {
        for (const piece of pronounceable(`Once upon a time ${text}`) ?? []) {
          expect(piece.length).toBeLessThanOrEqual(160);
          expect(piece).toMatch(/^[\x20-\x7e]+$/);
          expect(piece).not.toMatch(/\w{41}/);
        }
      }),
    );
  });

  it('keeps all words of a long text', () => {
    const text = Array.from({ length: 200 }, (_, index) => `word${index}`).join(' ');
    expect(pronounceable(text)?.join(' ')).toBe(text);
  });
});
