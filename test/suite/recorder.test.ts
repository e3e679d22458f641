import { quietest } from '@parley/client/recorder/cut';
import { type AudioChunk, type AudioSource, type Level, pcmSource } from '@parley/client/recorder/source';
import { memoryStore } from '@parley/client/recorder/store';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { done, noise, rate, type Server, settled, setUp } from './recorder-server.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('samples', () => {
  test('become segments of at most a length, all of them, whatever the frames', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 12 }),
        async (lengths) => {
          const { server, source, recorder } = setUp();
          await recorder.start();
          const frames = lengths.map((length, seed) => noise(length, seed));
          for (const frame of frames) source.push(frame);
          expect(await settled(recorder.stop())).toEqual(done);
          expect(server.sound).toEqual({ samples: frames.flatMap((frame) => [...frame]), isWhole: true });
          for (const { data, sampleRate, durationMs } of server.stored.values()) {
            expect([sampleRate, durationMs]).toEqual([rate, (data.length / 2 / rate) * 1000]);
            expect(durationMs).toBeLessThanOrEqual(600);
          }
          expect(server.most).toBeLessThanOrEqual(3);
          expect(server.started).toEqual([server.calls[0]?.voiceSessionId]);
        },
      ),
      { numRuns: 15 },
    );
  });

  test('are cut where it is quiet', () => {
    const samples = noise(16_000);
    samples.fill(0, 9_000, 10_500);
    const cut = quietest(samples, rate, 4_000, 14_000);
    expect(cut).toBeGreaterThan(9_000);
    expect(cut).toBeLessThan(10_500);
    expect(quietest(samples, rate, 100, 110)).toBe(110);
  });

  test('move a meter, as 16-bit or as floating point', async () => {
    const levels: Level[] = [];
    const source = pcmSource({ sampleRate: rate, onLevel: (level) => levels.push(level) });
    const chunks: AudioChunk[] = [];
    source.push(Int16Array.of(16_384, -16_384));
    source.start((chunk) => chunks.push(chunk), { segmentMs: 1, onEnd: () => {} });
    source.push(Float32Array.of(0.5, -2, 0));
    expect(levels[0]).toEqual({ rms: 0.5, peak: 0.5 });
    expect(levels[1]?.peak).toBe(1);
    expect(chunks.map(({ data }) => [...data])).toEqual([[0, 64, 0, 128, 0, 0]]);
  });
});

describe('a recording', () => {
  /** A source of files, given by hand. */
  class Files implements AudioSource {
    readonly format = 'webm' as const;
    give: (name: string, durationMs?: number) => void = () => {};
    end: (error?: unknown) => void = () => {};
    stops = 0;
    readonly #lasts: string[];
    constructor(lasts: string[]) {
      this.#lasts = lasts;
    }
    start(onChunk: (chunk: AudioChunk) => void, { onEnd }: { onEnd: (error?: unknown) => void }): void {
      this.give = (name, durationMs = 500) => onChunk({ data: new TextEncoder().encode(name), durationMs });
      this.end = onEnd;
    }
    async stop(): Promise<void> {
      this.stops++;
      await Promise.resolve();
      for (const name of this.#lasts) this.give(name);
    }
  }
  const sent = (server: Server): unknown[] =>
    [...server.stored.values()]
      .sort((a, b) => a.index - b.index)
      .map(({ data, isLast, durationMs }) => [new TextDecoder().decode(data), isLast, durationMs]);

  test('of files has a segment a file, and the last one is whatever comes last', async () => {
    for (const lasts of [['c'], ['c', 'd'], []]) {
      const source = new Files(lasts);
      const { server, recorder } = setUp({ source });
      await recorder.start();
      source.give('a');
      source.give('b');
      await vi.advanceTimersByTimeAsync(200);
      expect(await settled(recorder.stop())).toEqual(done);
      const names = ['a', 'b', ...lasts];
      expect(sent(server)).toEqual(names.map((name, index) => [name, index === names.length - 1, 500]));
    }
  });

  test('ends with its source, which says why', async () => {
    const source = new Files(['b']);
    const { server, events, states, recorder } = setUp({ source });
    await recorder.start();
    source.give('a');
    source.end(new Error('unplugged'));
    expect(await settled(recorder.stop())).toEqual(done);
    expect(source.stops).toBe(1);
    expect(events.filter(({ type }) => type === 'ended')).toMatchObject([
      { why: 'source', error: { message: 'unplugged' } },
    ]);
    expect(sent(server)).toEqual([
      ['a', false, 500],
      ['b', true, 500],
    ]);
    expect(states.map(({ state }) => state)).toEqual(['starting', 'recording', 'recording', 'sending', 'done']);
  });

  test('ends at half an hour', async () => {
    const source = new Files([]);
    const { server, events, recorder } = setUp({ source, segmentMs: 50_000 });
    await recorder.start();
    for (let minute = 0; minute < 40; minute++) {
      source.give(String(minute), 60_000);
      await vi.advanceTimersByTimeAsync(60_000);
    }
    expect(events.filter(({ type }) => type === 'ended')).toMatchObject([{ why: 'length' }]);
    expect(await settled(recorder.stop())).toEqual(done);
    expect(server.stored.size).toBeGreaterThanOrEqual(28);
    expect(server.stored.size).toBeLessThanOrEqual(30);
    expect(server.sound.isWhole).toBe(true);
  });

  test('of nothing is no speech; a second one is another', async () => {
    const { server, source, recorder } = setUp();
    await recorder.start();
    await expect(recorder.start()).rejects.toThrow(TypeError);
    expect(await settled(recorder.stop())).toMatchObject({ reason: { reason: 'NO_SPEECH' } });
    await recorder.start();
    source.push(noise(100));
    expect(await settled(recorder.stop())).toEqual(done);
    expect(new Set(server.started).size).toBe(2);
  });

  test('that is cancelled becomes nothing', async () => {
    const store = memoryStore();
    const { server, source, recorder } = setUp({ store });
    server.fateOf = () => 'lostBefore';
    await recorder.start();
    source.push(noise(20_000));
    await vi.advanceTimersByTimeAsync(500);
    await recorder.cancel();
    const calls = server.calls.length;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.calls.length).toBeLessThanOrEqual(calls);
    expect(recorder.state).toEqual({ state: 'idle' });
    expect(await store.list()).toEqual([]);
    expect(server.calls.some(({ isLast }) => isLast)).toBe(false);
    // What came of it before is nothing either.
    expect(server.cancelled).toEqual(server.started);
  });

  test('that cannot begin leaves nothing behind', async () => {
    const source = new Files([]);
    source.start = () => {
      throw new Error('not allowed');
    };
    const { recorder, server } = setUp({ source });
    await expect(recorder.start()).rejects.toThrow('not allowed');
    expect([recorder.state, server.started]).toEqual([{ state: 'idle' }, []]);
  });
});
