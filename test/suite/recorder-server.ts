import { ParleyFailure } from '@parley/client/failure';
import { createRecorder, type RecorderEvent, type RecorderOptions, type RecorderState } from '@parley/client/recorder';
import type { QueueOptions } from '@parley/client/recorder/queue';
import type { VoiceCalls } from '@parley/client/recorder/send';
import { pcmSource } from '@parley/client/recorder/source';
import type { Segment } from '@parley/client/recorder/store';
import type { Reason } from '@parley/shared/reason';
import type { SegmentReceipt } from '@parley/shared/voice';
import { expect, vi } from 'vitest';

export const rate = 16_000;

/** What happens to one call: its answer, or how it fails; `lostAfter` is stored and its answer lost. */
export type Fate = 'ok' | 'lostBefore' | 'lostAfter' | Reason;

/** A server that keeps what it is sent as the real one does, and fails as it is told. */
export class Server implements VoiceCalls {
  readonly calls: Segment[] = [];
  readonly stored = new Map<number, Segment>();
  readonly started: string[] = [];
  /** Voice sessions, each as often as it was said to be cancelled and this was heard. */
  readonly cancelled: string[] = [];
  fateOfCancel: () => Fate = () => 'ok';
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

  async cancelRecording({ voiceSessionId }: { voiceSessionId: string }): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 50));
    const fate = this.fateOfCancel();
    if (fate === 'ok' || fate === 'lostAfter') this.cancelled.push(voiceSessionId);
    if (fate === 'lostBefore' || fate === 'lostAfter') throw new Error('the connection was reset');
    if (fate !== 'ok') throw new ParleyFailure(fate, fate, { traceId: 't' });
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

export function setUp(options: Partial<Omit<RecorderOptions, 'queue'> & QueueOptions> = {}) {
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
export async function settled<T>(promise: Promise<T>): Promise<PromiseSettledResult<T>> {
  let result: PromiseSettledResult<T> | undefined;
  void Promise.allSettled([promise]).then(([each]) => {
    result = each;
  });
  for (let i = 0; i < 10_000 && !result; i++) await vi.advanceTimersByTimeAsync(50);
  if (!result) throw new Error('it never settles');
  return result;
}

export const done = { status: 'fulfilled', value: { turnId: 'turn', voiceSessionId: expect.any(String) } };
export const noise = (length: number, seed = 1): Int16Array =>
  Int16Array.from({ length }, (_, index) => ((index * 7919 + seed * 104_729) % 2_000) - 1_000);
