import { ParleyFailure } from '@parley/client/failure';
import { createRecorder, type RecorderEvent, type RecorderOptions, type RecorderState } from '@parley/client/recorder';
import { quietest } from '@parley/client/recorder-cut';
import { fileRecorderSource } from '@parley/client/recorder-media';
import { type QueueOptions, SegmentQueue } from '@parley/client/recorder-queue';
import type { VoiceCalls } from '@parley/client/recorder-send';
import { type AudioChunk, type AudioSource, type Level, pcmSource } from '@parley/client/recorder-source';
import { memoryStore, type Segment } from '@parley/client/recorder-store';
import type { Reason } from '@parley/shared/reason';
import type { SegmentReceipt } from '@parley/shared/voice';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const rate = 16_000;

/** What happens to one call: its answer, or how it fails; `lostAfter` is stored and its answer lost. */
type Fate = 'ok' | 'lostBefore' | 'lostAfter' | Reason;

/** A server that keeps what it is sent as the real one does, and fails as it is told. */
class Server implements VoiceCalls {
  readonly calls: Segment[] = [];
  readonly stored = new Map<number, Segment>();
  readonly started: string[] = [];
  /** The fates of the next calls; then all is well. */
  fates: Fate[] = [];
  /** Of every call, by what it carries. */
  fateOf: (segment: Segment) => Fate = () => this.fates.shift() ?? 'ok';
  most = 0;
  retryAfterMs: number | undefined;
  #now = 0;

  async recordingStarted({ voiceSessionId }: { voiceSessionId: string }): Promise<void> {
    this.started.push(voiceSessionId);
  }

  async sendSegment(segment: Segment): Promise<SegmentReceipt> {
    this.calls.push(segment);
    this.most = Math.max(this.most, ++this.#now);
    await new Promise((resolve) => setTimeout(resolve, 50));
    this.#now--;
    const fate = this.fateOf(segment);
    if (fate === 'lostBefore') throw new Error('the connection was reset');
    if (fate !== 'ok' && fate !== 'lostAfter')
      throw new ParleyFailure(fate, fate, { traceId: 't', details: { retryAfterMs: this.retryAfterMs } });
    const known = this.stored.get(segment.index);
    if (known && !Buffer.from(known.data).equals(segment.data)) throw new ParleyFailure('SEGMENT_CONFLICT', 'conflict');
    this.stored.set(segment.index, { ...segment, isLast: segment.isLast || known?.isLast === true });
    if (fate === 'lostAfter') throw new Error('the connection was reset');
    return { status: known ? 'duplicate' : 'accepted', missing: this.missing, turnId: 'turn' };
  }

  get missing(): number[] {
    return Array.from({ length: Math.max(...this.stored.keys()) }, (_, index) => index).filter(
      (index) => !this.stored.has(index),
    );
  }

  /** All samples that have come, in order, and whether they end with the last segment. */
  get sound(): { samples: number[]; isWhole: boolean } {
    const segments = [...this.stored.values()].sort((a, b) => a.index - b.index);
    const bytes = Buffer.concat(segments.map(({ data }) => data));
    const samples = Array.from({ length: bytes.length / 2 }, (_, index) => bytes.readInt16LE(2 * index));
    const lasts = segments.filter(({ isLast }) => isLast);
    return { samples, isWhole: this.missing.length === 0 && lasts.length === 1 && segments.at(-1)?.isLast === true };
  }
}

function setUp(options: Partial<Omit<RecorderOptions, 'queue'> & QueueOptions> = {}) {
  const server = new Server();
  const source = pcmSource({ sampleRate: rate });
  const states: RecorderState[] = [];
  const events: RecorderEvent[] = [];
  const recorder = createRecorder({
    conversationId: 'c',
    source,
    voice: server,
    segmentMs: 500,
    onState: (state) => states.push(state),
    onEvent: (event) => events.push(event),
    ...options,
  });
  return { server, source, states, events, recorder };
}

/** Runs all timers until the promise is settled. */
async function settled<T>(promise: Promise<T>): Promise<PromiseSettledResult<T>> {
  let result: PromiseSettledResult<T> | undefined;
  void Promise.allSettled([promise]).then(([each]) => {
    result = each;
  });
  for (let i = 0; i < 10_000 && !result; i++) await vi.advanceTimersByTimeAsync(50);
  if (!result) throw new Error('it never settles');
  return result;
}

const done = { status: 'fulfilled', value: { turnId: 'turn', voiceSessionId: expect.any(String) } };
const noise = (length: number, seed = 1): Int16Array =>
  Int16Array.from({ length }, (_, index) => ((index * 7919 + seed * 104_729) % 2_000) - 1_000);

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

describe('sending', () => {
  test('brings everything over exactly once, whatever happens on the way', async () => {
    const fate = fc.constantFrom<Fate>(
      'ok',
      'lostBefore',
      'lostAfter',
      'RATE_LIMITED',
      'DRAINING',
      'UNAVAILABLE',
      'INTERNAL',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fate, { maxLength: 25 }), fc.integer({ min: 1, max: 9 }), async (fates, seconds) => {
        const { server, source, recorder } = setUp();
        let internal = 0;
        // Five failures inside in a row are one for good.
        server.fates = fates.filter((each) => each !== 'INTERNAL' || internal++ < 4);
        await recorder.start();
        const sound = noise(seconds * 4_000);
        source.push(sound);
        expect(await settled(recorder.stop())).toEqual(done);
        expect(server.sound).toEqual({ samples: [...sound], isWhole: true });
        expect(recorder.state.state).toBe('done');
      }),
      { numRuns: 60 },
    );
  });

  test('waits longer each time, as long as the server asks, and not at all when the network is back', async () => {
    const { server, source, events, recorder } = setUp({ parallel: 1 });
    server.fateOf = () => 'lostBefore';
    await recorder.start();
    source.push(noise(100));
    const stopped = recorder.stop();
    await vi.advanceTimersByTimeAsync(60_000);
    const waits = events.flatMap((event) => (event.type === 'retrying' ? [event.waitMs] : []));
    expect(waits.length).toBeGreaterThan(5);
    expect(Math.max(...waits)).toBeLessThanOrEqual(15_000);
    expect(waits[4]).toBeGreaterThan(waits[0] ?? 0);
    server.fateOf = () => 'RATE_LIMITED';
    server.retryAfterMs = 40_000;
    recorder.queue.wake();
    await vi.advanceTimersByTimeAsync(60);
    expect(events.at(-1)).toMatchObject({ type: 'retrying', waitMs: 40_000 });
    server.fateOf = () => 'ok';
    const calls = server.calls.length;
    recorder.queue.wake();
    await vi.advanceTimersByTimeAsync(60);
    expect(server.calls.length).toBe(calls + 1);
    expect(await settled(stopped)).toEqual(done);
  });

  test('a try that is never answered counts as lost', async () => {
    const { server, source, recorder } = setUp({ tryMs: 1_000 });
    const send = server.sendSegment.bind(server);
    const hung: AbortSignal[] = [];
    server.sendSegment = async (segment: Segment, signal?: AbortSignal) => {
      if (hung.length > 0 || !signal) return send(segment);
      hung.push(signal);
      return new Promise(() => {});
    };
    await recorder.start();
    source.push(noise(100));
    expect(await settled(recorder.stop())).toEqual(done);
    expect(hung[0]?.aborted).toBe(true);
  });

  test('sends again what the server lost after it had it', async () => {
    const { server, source, recorder } = setUp();
    await recorder.start();
    source.push(noise(20_000));
    await vi.advanceTimersByTimeAsync(100);
    expect(server.stored.size).toBe(2);
    server.stored.delete(0);
    expect(await settled(recorder.stop())).toEqual(done);
    expect(server.sound).toEqual({ samples: [...noise(20_000)], isWhole: true });
  });

  test('says what is missing when nobody has it any more', async () => {
    const server = new Server();
    const queue = new SegmentQueue({ voice: server, mostBytes: 250 });
    const key = { conversationId: 'c', voiceSessionId: 'v' };
    const segment = (index: number): Segment => ({
      ...key,
      index,
      isLast: false,
      format: 'webm',
      data: new Uint8Array(100),
    });
    for (const index of [0, 1]) queue.add(segment(index));
    await vi.advanceTimersByTimeAsync(100);
    // Makes room, by the oldest that is acknowledged.
    queue.add(segment(2));
    server.stored.delete(0);
    queue.end(key);
    expect(await settled(queue.finished(key))).toMatchObject({
      status: 'rejected',
      reason: { reason: 'SEGMENTS_MISSING', details: { missing: [0] } },
    });
    expect(queue.resend(key, [0, 1, 2])).toEqual([0]);
  });

  test('ends for good with what can never be taken, and tells it', async () => {
    const { server, source, events, states, recorder } = setUp();
    server.fateOf = ({ index }) => (index === 1 ? 'SEGMENT_CONFLICT' : 'ok');
    await recorder.start();
    source.push(noise(25_000));
    // The recording is over as soon as it is known.
    await vi.advanceTimersByTimeAsync(200);
    expect(states.at(-1)).toMatchObject({ state: 'failed', failure: { reason: 'SEGMENT_CONFLICT' } });
    source.push(noise(25_000));
    expect(await settled(recorder.stop())).toMatchObject({
      status: 'rejected',
      reason: { reason: 'SEGMENT_CONFLICT' },
    });
    const failed = events.filter((event) => event.type === 'failed');
    expect(failed).toMatchObject([{ segment: { index: 1, data: expect.any(Uint8Array) }, isKept: false }]);
    expect(server.calls.filter(({ index }) => index === 1)).toHaveLength(1);
  });

  test('keeps what could not be understood, and heals when that is sent again', async () => {
    const store = memoryStore();
    const { server, source, events, recorder } = setUp({ store });
    server.fateOf = ({ index }) => (index === 1 ? 'TRANSCRIPTION_FAILED' : 'ok');
    await recorder.start();
    source.push(noise(25_000));
    const stopped = await settled(recorder.stop());
    expect(stopped).toMatchObject({ status: 'rejected', reason: { reason: 'TRANSCRIPTION_FAILED' } });
    expect(events.filter((event) => event.type === 'failed')).toMatchObject([{ segment: { index: 1 }, isKept: true }]);
    expect((await store.list()).map(({ index }) => index)).toEqual([1]);
    server.fateOf = () => 'ok';
    expect(await settled(recorder.retry())).toEqual(done);
    expect(server.sound).toEqual({ samples: [...noise(25_000)], isWhole: true });
    expect(await store.list()).toEqual([]);
  });

  test('sends again what the server could not transcribe later', async () => {
    const { server, source, recorder } = setUp();
    await recorder.start();
    source.push(noise(25_000));
    const result = await settled(recorder.stop());
    const key = {
      conversationId: 'c',
      voiceSessionId: result.status === 'fulfilled' ? result.value.voiceSessionId : '',
    };
    const calls = server.calls.length;
    expect(recorder.queue.resend(key, [1, 7])).toEqual([7]);
    expect(await settled(recorder.queue.finished(key))).toMatchObject({ value: { turnId: 'turn' } });
    expect(server.calls.slice(calls).map(({ index }) => index)).toEqual([1]);
  });
});

describe('a queue outlives', () => {
  test('a network that is away, and an app that ends meanwhile', async () => {
    const store = memoryStore();
    const before = setUp({ store });
    before.server.fateOf = ({ index }) => (index === 0 ? 'ok' : 'lostBefore');
    await before.recorder.start();
    before.source.push(noise(40_000));
    await vi.advanceTimersByTimeAsync(10_000);
    await before.recorder.queue.close();
    const calls = before.server.calls.length;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(before.server.calls.length).toBe(calls);

    before.server.fateOf = () => 'ok';
    const queue = new SegmentQueue({ voice: before.server, store });
    const [key] = await queue.resume();
    if (!key) throw new Error('nothing was kept');
    expect(await settled(queue.finished(key))).toMatchObject({ value: { turnId: 'turn' } });
    const { samples, isWhole } = before.server.sound;
    expect(isWhole).toBe(true);
    // All that had been cut when the app ended.
    expect(samples).toEqual([...noise(40_000)].slice(0, samples.length));
    expect(samples.length).toBeGreaterThan(30_000);
    expect(await store.list()).toEqual([]);
    expect(await queue.resume()).toEqual([]);
  });

  test('an app that ends when all but the end was acknowledged', async () => {
    const store = memoryStore();
    const before = setUp({ store });
    await before.recorder.start();
    before.source.push(noise(20_000));
    await vi.advanceTimersByTimeAsync(1_000);
    expect((await store.list()).map(({ index }) => index)).toEqual([1]);
    await before.recorder.queue.close();
    const queue = new SegmentQueue({ voice: before.server, store });
    const [key = { conversationId: '', voiceSessionId: '' }] = await queue.resume();
    expect(await settled(queue.finished(key))).toMatchObject({ value: { turnId: 'turn' } });
    expect(before.server.sound.isWhole).toBe(true);
  });

  test('a store that does not work', async () => {
    const broken = async (): Promise<never> => Promise.reject(new Error('disk full'));
    const { source, server, events, recorder } = setUp({
      store: { put: broken, remove: broken, list: async () => [] },
    });
    await recorder.start();
    source.push(noise(10_000));
    expect(await settled(recorder.stop())).toEqual(done);
    expect(server.sound.isWhole).toBe(true);
    expect(events.some(({ type }) => type === 'unstored')).toBe(true);
  });

  test('nothing beyond its bound: the recording ends there, and what was said until then is sent', async () => {
    const { server, source, events, recorder } = setUp({ mostBytes: 50_000 });
    server.fateOf = () => 'lostBefore';
    await recorder.start();
    for (let i = 0; i < 20; i++) source.push(noise(4_000, i));
    await vi.advanceTimersByTimeAsync(0);
    expect(events.filter(({ type }) => type === 'ended')).toMatchObject([{ why: 'full' }]);
    server.fateOf = () => 'ok';
    expect(await settled(recorder.stop())).toEqual(done);
    expect(server.sound.isWhole).toBe(true);
    expect(server.sound.samples.length * 2).toBeLessThanOrEqual(50_000);
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

describe('a browser', () => {
  /** A MediaRecorder that records its own number and for how long. */
  class FakeRecorder extends EventTarget {
    state: 'inactive' | 'recording' = 'inactive';
    readonly #name: string;
    #from = 0;
    constructor(name: string) {
      super();
      this.#name = name;
    }
    start(): void {
      this.state = 'recording';
      this.#from = performance.now();
    }
    stop(): void {
      this.state = 'inactive';
      const data = new Blob([`${this.#name}:${performance.now() - this.#from}`]);
      queueMicrotask(() => {
        this.dispatchEvent(Object.assign(new Event('dataavailable'), { data }));
        this.dispatchEvent(new Event('stop'));
      });
    }
  }
  function microphone(supported = 'audio/mp4') {
    const recorders: FakeRecorder[] = [];
    const mostAtOnce: number[] = [];
    const source = fileRecorderSource({
      isTypeSupported: (type) => type === supported,
      create: () => {
        const recorder = new FakeRecorder(String(recorders.length));
        recorders.push(recorder);
        mostAtOnce.push(recorders.filter(({ state }) => state === 'recording').length);
        return recorder;
      },
    });
    return { recorders, source, mostAtOnce };
  }

  test('records a file a segment, the next one begun before the last has ended', async () => {
    const { source, mostAtOnce } = microphone();
    const { server, recorder } = setUp({ source });
    await recorder.start();
    await vi.advanceTimersByTimeAsync(1_300);
    expect(await settled(recorder.stop())).toEqual(done);
    const files = [...server.stored.values()].sort((a, b) => a.index - b.index);
    expect(files.map(({ data }) => new TextDecoder().decode(data))).toEqual(['0:500', '1:500', '2:300']);
    expect(files.map(({ format, isLast }) => [format, isLast])).toEqual([
      ['m4a', false],
      ['m4a', false],
      ['m4a', true],
    ]);
    expect(mostAtOnce).toEqual([0, 1, 1]);
  });

  test('ends the recording when the microphone is gone', async () => {
    const { source, recorders } = microphone('audio/webm;codecs=opus');
    const { server, events, recorder } = setUp({ source });
    await recorder.start();
    await vi.advanceTimersByTimeAsync(200);
    recorders[0]?.stop();
    await vi.advanceTimersByTimeAsync(400);
    expect(events.filter(({ type }) => type === 'ended')).toEqual([{ type: 'ended', why: 'source' }]);
    expect(await settled(recorder.stop())).toEqual(done);
    expect(server.stored.get(0)).toMatchObject({ format: 'webm', isLast: true });
    expect(recorders).toHaveLength(1);
  });

  test('that records no known format cannot be used', () => {
    expect(() => microphone('audio/strange')).toThrow(TypeError);
  });
});
