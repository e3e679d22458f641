import { createPlayer, type Player, type PlayerEvent, type PlayerOptions } from '@parley/client/player';
import { type AudioOutput, type SoundContext, webAudioOutput } from '@parley/client/player/output';
import type { Position } from '@parley/client/player/report';
import type { Event } from '@parley/shared/event';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, expectTypeOf, test, vi } from 'vitest';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const rate = 16_000;

/** An output that plays by the fake clock and remembers what was heard of it, sample by sample. */
class Loudspeaker implements AudioOutput {
  readonly given: { samples: Float32Array; at: number; until: number }[] = [];
  stops: number[] = [];
  now(): number {
    return performance.now();
  }
  play(samples: Float32Array<ArrayBuffer>, sampleRate: number, at: number): void {
    expect(at).toBeGreaterThanOrEqual(this.now());
    this.given.push({ samples, at, until: at + (samples.length / sampleRate) * 1000 });
  }
  stop(): void {
    const now = this.now();
    this.stops.push(now);
    for (const piece of this.given) piece.until = Math.min(piece.until, now);
  }
  /** The pieces of which anything was audible until now. */
  get audible() {
    return this.given.filter(({ at, until }) => until > at && at < this.now());
  }
  /** The first sample of each audible piece, which tests use as its name. */
  get names(): number[] {
    return this.audible.map(({ samples }) => Math.round((samples[0] ?? 0) * 32_768));
  }
}

interface Chunk {
  turn?: string;
  sentence: number;
  chunk?: number;
  ms: number;
  last?: boolean;
  name?: number;
}

function audio({ turn = 'a', sentence, chunk = 0, ms, last = true, name = 1 }: Chunk): Event {
  const samples = new Int16Array((ms * rate) / 1000).fill(name);
  // Frames leave bytes at odd places.
  const data = new Uint8Array(samples.byteLength + 1).subarray(1);
  data.set(new Uint8Array(samples.buffer));
  const place = { conversationId: 'c', turnId: turn, at: 0, sentence, chunk };
  return { type: 'agent.audio', ...place, format: 'pcm_s16le', sampleRate: rate, data, last };
}

const ended = (turnId: string): Event => ({ type: 'turn.completed', conversationId: 'c', turnId, at: 0 });
const speechStop = (turnId: string): Event => ({ type: 'speech.stop', conversationId: 'c', turnId, at: 0 });

function setUp(options: Partial<PlayerOptions> = {}) {
  const output = new Loudspeaker();
  const events: PlayerEvent[] = [];
  const reports: Position[] = [];
  const player: Player = createPlayer({
    output,
    onEvent: (event) => events.push(event),
    report: async (heard) => reports.push(heard),
    ...options,
  });
  return { output, events, reports, player };
}

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

describe('playing', () => {
  test('is in order and without gaps, whatever the pieces', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ ms: fc.integer({ min: 0, max: 700 }), last: fc.boolean() }), {
          minLength: 1,
          maxLength: 20,
        }),
        async (pieces) => {
          const { output, player } = setUp();
          let [sentence, chunk] = [0, 0];
          for (const [index, { ms, last }] of pieces.entries()) {
            void player.push(audio({ sentence, chunk, ms, last, name: index + 1 }));
            [sentence, chunk] = last ? [sentence + 1, 0] : [sentence, chunk + 1];
          }
          void player.push(ended('a'));
          await pass(pieces.reduce((sum, { ms }) => sum + ms, 0) + 300);
          expect(output.names).toEqual(pieces.flatMap(({ ms }, index) => (ms > 0 ? [index + 1] : [])));
          for (const [index, { until }] of output.audible.entries()) {
            const next = output.audible[index + 1];
            if (next) expect(next.at).toBeCloseTo(until, 6);
          }
          await player.idle();
        },
      ),
      { numRuns: 30 },
    );
  });

  test('begins at once and gives the output little ahead of time', async () => {
    const { output, player } = setUp({ aheadMs: 500, leadMs: 20 });
    for (let chunk = 0; chunk < 20; chunk++)
      void player.push(audio({ sentence: 0, chunk, ms: 250, last: chunk === 19 }));
    expect(output.given.length).toBe(2);
    expect(output.given[0]?.at).toBe(performance.now() + 20);
    await pass(3_000);
    expect((output.given.at(-1)?.until ?? 0) - performance.now()).toBeLessThan(800);
    await pass(2_200);
    expect(output.given.length).toBe(20);
  });

  test('goes on after sound that was late, from then', async () => {
    const { output, player } = setUp({ leadMs: 20 });
    void player.push(audio({ sentence: 0, ms: 100, last: false }));
    await pass(1_000);
    expect(player.position).toEqual({ turnId: 'a', sentence: 0, playedMs: 100 });
    void player.push(audio({ sentence: 0, chunk: 1, ms: 100, name: 2 }));
    expect(output.given[1]?.at).toBe(performance.now() + 20);
    await pass(70);
    expect(player.position).toEqual({ turnId: 'a', sentence: 0, playedMs: 150 });
  });

  test('passes over chunks and sentences that are missing, and what comes behind its place', async () => {
    const { output, events, player } = setUp();
    void player.push(audio({ sentence: 0, chunk: 0, ms: 100, last: false, name: 1 }));
    void player.push(audio({ sentence: 0, chunk: 2, ms: 100, name: 2 }));
    void player.push(audio({ sentence: 0, chunk: 1, ms: 100, last: false, name: 3 }));
    void player.push({
      type: 'agent.audioFailed',
      conversationId: 'c',
      turnId: 'a',
      at: 0,
      sentence: 1,
      reason: 'TTS_UNAVAILABLE',
    });
    void player.push(audio({ sentence: 3, ms: 100, name: 4 }));
    void player.push(audio({ sentence: 2, ms: 100, name: 5 }));
    void player.push(ended('a'));
    await pass(400);
    expect(output.names).toEqual([1, 2, 4]);
    expect(events).toEqual([
      { type: 'dropped', turnId: 'a', sentence: 0, chunk: 1, why: 'late' },
      { type: 'failed', turnId: 'a', sentence: 1 },
      { type: 'dropped', turnId: 'a', sentence: 2, chunk: 0, why: 'late' },
      { type: 'sentence', turnId: 'a', sentence: 0 },
      { type: 'sentence', turnId: 'a', sentence: 3 },
      { type: 'ended', turnId: 'a' },
    ]);
    await player.idle();
  });

  test('plays turn after turn, also when one has no end', async () => {
    const { output, events, player } = setUp();
    void player.push(audio({ turn: 'a', sentence: 0, ms: 100, name: 1 }));
    void player.push(audio({ turn: 'b', sentence: 0, ms: 100, name: 2 }));
    void player.push(ended('b'));
    await pass(300);
    expect(output.names).toEqual([1, 2]);
    expect(events.at(-1)).toEqual({ type: 'ended', turnId: 'b' });
  });

  test('holds back whoever pushes too much, and drops what is pushed regardless', async () => {
    const second = rate * 4;
    const { output, events, player } = setUp({ mostBytes: 3 * second });
    const room: (void | Promise<void>)[] = [];
    for (let chunk = 0; chunk < 10; chunk++)
      room.push(player.push(audio({ sentence: 0, chunk, ms: 1_000, last: chunk === 9, name: chunk + 1 })));
    expect(room.map((each) => each !== undefined)).toEqual([
      false,
      false,
      false,
      true,
      true,
      true,
      true,
      false,
      false,
      false,
    ]);
    expect(events.map(({ type }) => type)).toEqual(['dropped', 'dropped', 'dropped']);
    let hasRoom = false;
    void room[3]?.then(() => {
      hasRoom = true;
    });
    await pass(3_500);
    expect(hasRoom).toBe(false);
    await pass(100);
    expect(hasRoom).toBe(true);
    await pass(4_000);
    expect(output.names).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });
});

describe('stopping', () => {
  test('is at once, at any time, and says exactly what was heard', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 4 }), {
          minLength: 1,
          maxLength: 6,
        }),
        fc.integer({ min: 21, max: 4_000 }),
        async (sentences, after) => {
          const { output, player, reports } = setUp({ leadMs: 20 });
          for (const [sentence, chunks] of sentences.entries())
            for (const [chunk, ms] of chunks.entries())
              void player.push(audio({ sentence, chunk, ms, last: chunk === chunks.length - 1 }));
          await pass(after);
          const heard = player.stop();
          const lengths = sentences.map((chunks) => chunks.reduce((sum, each) => sum + each, 0));
          const before = lengths.slice(0, heard?.sentence).reduce((sum, each) => sum + each, 0);
          const whole = lengths.reduce((sum, each) => sum + each, 0);
          expect(before + (heard?.playedMs ?? Number.NaN)).toBeCloseTo(Math.min(whole, after - 20), 6);
          expect(heard?.playedMs).toBeLessThanOrEqual((lengths[heard?.sentence ?? -1] ?? 0) + 1e-6);
          const silentFrom = performance.now();
          await pass(1_000);
          expect(output.given.every(({ until }) => until <= silentFrom)).toBe(true);
          expect(reports.at(-1)).toEqual(heard);
          expect(player.position).toBeUndefined();
          await player.idle();
        },
      ),
      { numRuns: 60 },
    );
  });

  test('ignores what still comes of the turn, and plays the next one', async () => {
    const { output, events, player } = setUp();
    void player.push(audio({ sentence: 0, ms: 500, name: 1 }));
    await pass(120);
    expect(player.stop()).toEqual({ turnId: 'a', sentence: 0, playedMs: 100 });
    expect(player.stop()).toBeUndefined();
    void player.push(audio({ sentence: 1, ms: 500, name: 2 }));
    void player.push(ended('a'));
    void player.push(audio({ turn: 'b', sentence: 0, ms: 100, name: 3 }));
    await pass(1_000);
    expect(output.names).toEqual([1, 3]);
    expect(events.filter(({ type }) => type === 'dropped')).toEqual([
      { type: 'dropped', turnId: 'a', sentence: 1, chunk: 0, why: 'stopped' },
    ]);
  });

  test('by speech.stop tells where, and leaves other turns alone', async () => {
    const { output, events, reports, player } = setUp();
    void player.push(audio({ turn: 'a', sentence: 0, ms: 200, name: 1 }));
    void player.push(audio({ turn: 'b', sentence: 0, ms: 200, name: 2 }));
    await pass(70);
    void player.push(speechStop('a'));
    expect(output.stops).toHaveLength(1);
    await pass(0);
    expect(reports).toEqual([{ turnId: 'a', sentence: 0, playedMs: 50 }]);
    expect(events.at(-1)).toEqual({
      type: 'stopped',
      turnId: 'a',
      heard: { turnId: 'a', sentence: 0, playedMs: 50 },
    });
    await pass(300);
    expect(output.names).toEqual([1, 2]);
  });

  test('a turn that waits takes nothing from the one that is heard', async () => {
    const { output, events, player } = setUp({ leadMs: 0 });
    void player.push(audio({ turn: 'a', sentence: 0, ms: 200, name: 1 }));
    void player.push(audio({ turn: 'b', sentence: 0, ms: 200, name: 2 }));
    void player.push(ended('a'));
    await pass(50);
    void player.push(speechStop('b'));
    expect(player.position).toEqual({ turnId: 'a', sentence: 0, playedMs: 50 });
    await pass(100);
    expect(player.position?.playedMs).toBeCloseTo(150, 6);
    await pass(300);
    expect(output.audible.reduce((sum, { at, until }) => sum + until - at, 0)).toBeCloseTo(200, 6);
    expect(events.map(({ type }) => type)).toEqual(['sentence', 'stopped', 'ended']);
  });

  test('finds nothing to say before anything was heard, and after all was', async () => {
    const { events, player, reports } = setUp({ leadMs: 20 });
    expect(player.stop()).toBeUndefined();
    void player.push(audio({ sentence: 0, ms: 100 }));
    await pass(10);
    expect(player.stop()).toBeUndefined();
    void player.push(audio({ turn: 'b', sentence: 0, ms: 100 }));
    void player.push(ended('b'));
    await pass(200);
    expect(player.stop()).toBeUndefined();
    expect(reports).toEqual([{ turnId: 'b', sentence: 0, playedMs: 100 }]);
    expect(events.at(-1)).toEqual({ type: 'ended', turnId: 'b' });
  });
});

describe('reports', () => {
  test('come at the end of a sentence and each second within a long one', async () => {
    const { player, reports } = setUp({ leadMs: 0 });
    for (let chunk = 0; chunk < 5; chunk++) void player.push(audio({ sentence: 0, chunk, ms: 500, last: chunk === 4 }));
    void player.push(audio({ sentence: 1, ms: 300 }));
    void player.push(audio({ sentence: 2, ms: 0 }));
    void player.push(ended('a'));
    await pass(4_000);
    expect(reports.map(({ sentence }) => sentence)).toEqual([0, 0, 0, 1]);
    const [first, second, third, fourth] = reports.map(({ playedMs }) => playedMs);
    expect(first).toBeGreaterThanOrEqual(1_000);
    expect(first).toBeLessThan(1_100);
    expect(second).toBeGreaterThanOrEqual(2_000);
    expect(second).toBeLessThan(2_200);
    // Exactly what the server reckons as the sentence's length: one that was heard to its end is whole.
    expect([third, fourth]).toEqual([2_500, 300]);
  });

  test('that fail, throw or hang neither stop the sound nor pile up', async () => {
    const asked: Position[] = [];
    const { output, player } = setUp({
      report: (heard) => {
        asked.push(heard);
        if (asked.length === 1) throw new Error('no');
        return asked.length === 2 ? Promise.reject(new Error('no')) : new Promise(() => {});
      },
    });
    for (let sentence = 0; sentence < 8; sentence++)
      void player.push(audio({ sentence, ms: 1_000, name: sentence + 1 }));
    await pass(8_100);
    expect(output.names).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    // The third one hangs until it counts as lost; then the last that waits is sent.
    expect(asked.map(({ sentence }) => sentence)).toEqual([0, 1, 2]);
    await pass(6_000);
    expect(asked.map(({ sentence }) => sentence)).toEqual([0, 1, 2, 7]);
  });
});

test('on Web Audio sounds touch, the way to the ear is counted, and stopping stops all', () => {
  expectTypeOf<AudioContext>().toExtend<SoundContext<AudioNode, AudioBuffer>>();
  class Node {
    at = -1;
    hasStopped = false;
    buffer: { copyToChannel(): void } | null = null;
    onended: (() => unknown) | null = null;
    connect(): void {}
    disconnect(): void {}
    start(at: number): void {
      this.at = at;
    }
    stop(): void {
      this.hasStopped = true;
    }
  }
  const nodes: Node[] = [];
  const context = {
    currentTime: 1,
    outputLatency: 0.03,
    destination: 'loudspeaker',
    createBuffer: () => ({ copyToChannel: () => {} }),
    createBufferSource: () => {
      const node = new Node();
      nodes.push(node);
      return node;
    },
  };
  const output = webAudioOutput(context);
  expect(output.now()).toBeCloseTo(970);
  output.play(new Float32Array(1_600), rate, 990);
  output.play(new Float32Array(1_600), rate, 1_090);
  output.play(new Float32Array(1_600), rate, 1_190);
  expect(nodes.map(({ at }) => Math.round(at * 1000))).toEqual([1_020, 1_120, 1_220]);
  nodes[0]?.onended?.();
  output.stop();
  expect(nodes.map(({ hasStopped }) => hasStopped)).toEqual([false, true, true]);
});
