import { fileRecorderSource } from '@parley/client/recorder/media';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { done, settled, setUp } from './recorder-server.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
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
