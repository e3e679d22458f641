import { SegmentQueue } from '@parley/client/recorder/queue';
import { memoryStore, type Segment } from '@parley/client/recorder/store';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { done, type Fate, noise, Server, settled, setUp } from './recorder-server.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
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

  // The second one: its recording was cancelled elsewhere.
  test.each<Fate>(['SEGMENT_CONFLICT', 'PROTOCOL_ORDER'])('ends for good with %s, and tells it', async (reason) => {
    const { server, source, events, states, recorder } = setUp();
    server.fateOf = ({ index }) => (index === 1 ? reason : 'ok');
    await recorder.start();
    source.push(noise(25_000));
    // The recording is over as soon as it is known.
    await vi.advanceTimersByTimeAsync(200);
    expect(states.at(-1)).toMatchObject({ state: 'failed', failure: { reason } });
    source.push(noise(25_000));
    expect(await settled(recorder.stop())).toMatchObject({
      status: 'rejected',
      reason: { reason },
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
    // All of it, when it is not known which.
    const { queue } = recorder;
    expect([queue.holds(key, [0, 1]), queue.holds(key, [1, 7]), queue.holds(key)]).toEqual([true, false, true]);
    expect(recorder.queue.resend(key)).toEqual([]);
    expect(await settled(recorder.queue.finished(key))).toMatchObject({ value: { turnId: 'turn' } });
    expect(new Set(server.calls.slice(calls + 1).map(({ index }) => index))).toEqual(new Set(server.stored.keys()));
    const unknown = { ...key, voiceSessionId: 'of another page' };
    expect([recorder.queue.holds(unknown), recorder.queue.resend(unknown, [0])]).toEqual([false, [0]]);
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

  // Guard: that a recording is cancelled is kept until the server has heard it, and told again until then.
  test('a network that is away, and an app that ends, while it cancels', async () => {
    const store = memoryStore();
    const { server, source, recorder } = setUp({ store });
    server.fateOf = ({ index }) => (index === 0 ? 'ok' : 'lostBefore');
    server.fateOfCancel = () => 'lostBefore';
    await recorder.start();
    source.push(noise(40_000));
    await vi.advanceTimersByTimeAsync(1_000);
    await recorder.cancel();
    await vi.advanceTimersByTimeAsync(10_000);
    await recorder.queue.close();
    expect(await store.list()).toEqual([]);
    expect(await store.cancelled.list()).toMatchObject([{ voiceSessionId: server.started[0] }]);
    // A segment that the app had no time to forget.
    const [known] = server.stored.values();
    if (!known) throw new Error('nothing was sent');
    await store.put({ ...known, index: 1 });

    const fates: Fate[] = ['UNAVAILABLE', 'lostAfter'];
    server.fateOfCancel = () => fates.shift() ?? 'ok';
    const calls = server.calls.length;
    const queue = new SegmentQueue({ voice: server, store });
    expect(await queue.resume()).toEqual([]);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(server.cancelled).toEqual([server.started[0], server.started[0]]);
    expect([await store.list(), await store.cancelled.list()]).toEqual([[], []]);
    expect(server.calls.length).toBe(calls);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.cancelled).toHaveLength(2);
  });

  test('a sign-in that is over while it cancels, but not a conversation that is gone', async () => {
    const store = memoryStore();
    const server = new Server();
    const queue = new SegmentQueue({ voice: server, store });
    const key = (voiceSessionId: string) => ({ conversationId: 'c', voiceSessionId });
    const fates: Fate[] = [...Array.from({ length: 5 }, (): Fate => 'UNAUTHENTICATED'), 'NOT_FOUND', 'ok'];
    server.fateOfCancel = () => fates.shift() ?? 'INTERNAL';
    for (const each of ['signed out', 'gone', 'heard']) queue.cancel(key(each));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.cancelled).toEqual(['heard']);
    expect(await store.cancelled.list()).toEqual([key('signed out')]);
  });

  test('no more recordings that are cancelled than a bound', async () => {
    const store = memoryStore();
    const server = new Server();
    server.fateOfCancel = () => 'lostBefore';
    const queue = new SegmentQueue({ voice: server, store });
    for (let i = 0; i < 100; i++) queue.cancel({ conversationId: 'c', voiceSessionId: `${i}` });
    await vi.advanceTimersByTimeAsync(1_000);
    const kept = await store.cancelled.list();
    expect(kept.map(({ voiceSessionId }) => Number(voiceSessionId))).toEqual(
      Array.from({ length: 64 }, (_, i) => 36 + i),
    );
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
