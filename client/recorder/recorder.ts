import { newId } from '@parley/shared/id';
import { failureOf, ParleyFailure } from '../failure.ts';
import { type QueueEvent, type QueueOptions, SegmentQueue } from './queue.ts';
import type { AudioSource } from './source.ts';
import { type EndReason, Take } from './take.ts';

export type RecorderState =
  | { state: 'idle' }
  /** The source is being opened: a person may have to allow it. */
  | { state: 'starting' }
  /** `segments`: how many have been cut. */
  | { state: 'recording'; voiceSessionId: string; segments: number }
  /** Nothing more comes; segments are still on their way. */
  | { state: 'sending'; voiceSessionId: string }
  /** The server has all of it. */
  | { state: 'done'; voiceSessionId: string; turnId: string }
  /** Sending cannot go on by itself; `retry` tries again. */
  | { state: 'failed'; voiceSessionId: string; failure: ParleyFailure };

export type RecorderEvent =
  | QueueEvent
  /** The recording ended before anybody asked for it: the source did, it has the greatest length, or no more can wait. */
  | { type: 'ended'; why: EndReason; error?: unknown };

export type RecorderOptions = {
  conversationId: string;
  source: AudioSource;
  /** Milliseconds of a segment, 500 to 55,000; 5 s by default. */
  segmentMs?: number;
  onState?: (state: RecorderState) => void;
  onEvent?: (event: RecorderEvent) => void;
} & ({ queue: SegmentQueue } | QueueOptions);

/** What a recording becomes. */
export interface Recorded {
  voiceSessionId: string;
  turnId: string;
}

export interface Recorder {
  readonly state: RecorderState;
  /** Where segments wait: to be resumed, woken and shared with other recorders. */
  readonly queue: SegmentQueue;
  /** Begins a recording. @throws what the source throws; TypeError while another goes on */
  start(): Promise<void>;
  /**
   * Ends the recording and resolves when the server has acknowledged all of it. Its turn is told of by the conversation's events.
   * @throws ParleyFailure NO_SPEECH when nothing was recorded; what cannot be sent
   */
  stop(): Promise<Recorded>;
  /**
   * Ends the recording and forgets it: no turn comes of it, unless all of it was sent and its turn has begun. The server is told
   * in the background, as soon as it can be.
   */
  cancel(): Promise<void>;
  /** Sends again what failed and is kept. @throws as `stop` */
  retry(): Promise<Recorded>;
}

const lengths = { usualMs: 5_000, leastMs: 500, mostMs: 55_000 };

/** Records what somebody says and sends it while it is said. */
export function createRecorder(options: RecorderOptions): Recorder {
  const { conversationId, source, onState, onEvent, ...rest } = options;
  const queue = 'queue' in rest ? rest.queue : new SegmentQueue(rest);
  const segmentMs = Math.min(lengths.mostMs, Math.max(lengths.leastMs, rest.segmentMs ?? lengths.usualMs));
  let state: RecorderState = { state: 'idle' };
  let take: Take | undefined;
  let stopping: Promise<Recorded> | undefined;

  const become = (next: RecorderState): void => {
    state = next;
    onState?.(next);
  };

  const finish = async (own: Take, stopped: Promise<void>): Promise<Recorded> => {
    const { voiceSessionId } = own.key;
    become({ state: 'sending', voiceSessionId });
    try {
      await stopped;
      if (own.segments === 0) throw nothing();
      const { turnId } = await queue.finished(own.key);
      if (take === own) become({ state: 'done', voiceSessionId, turnId });
      return { voiceSessionId, turnId };
    } catch (cause) {
      const failure = failureOf(cause);
      if (take === own) become({ state: 'failed', voiceSessionId, failure });
      throw failure;
    }
  };

  const stop = (): Promise<Recorded> => {
    if (!take) return Promise.reject(nothing());
    stopping ??= finish(take, take.stop());
    return stopping;
  };

  /** Tells the server, for the agent to show that it listens. That it could not be told costs only that. */
  const announce = ({ key }: Take): void => {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), segmentMs);
    queue.voice
      .recordingStarted(key, late.signal)
      .catch(() => {})
      .finally(() => clearTimeout(timer));
  };

  const heed = (own: Take, event: QueueEvent): void => {
    const isOurs = event.type === 'unstored' || event.segment.voiceSessionId === own.key.voiceSessionId;
    if (!isOurs) return;
    onEvent?.(event);
    // What comes after a segment that can never be taken cannot become a turn either.
    if (event.type === 'failed' && !event.isKept && state.state === 'recording' && take === own) stop().catch(() => {});
  };

  return {
    queue,
    stop,
    get state() {
      return state;
    },
    async start() {
      if (state.state === 'starting' || state.state === 'recording' || state.state === 'sending')
        throw new TypeError(`A recording is ${state.state} already.`);
      const key = { conversationId, voiceSessionId: newId() };
      const own = new Take(key, source, segmentMs, queue);
      become({ state: 'starting' });
      take?.leave();
      take = own;
      stopping = undefined;
      own.onSegment = (segments) => become({ state: 'recording', voiceSessionId: key.voiceSessionId, segments });
      own.onEnd = (why, error) => {
        onEvent?.({ type: 'ended', why, ...(error !== undefined && { error }) });
        stop().catch(() => {});
      };
      own.leave = queue.on((event) => heed(own, event));
      try {
        await own.start();
      } catch (error) {
        own.leave();
        take = undefined;
        become({ state: 'idle' });
        throw error;
      }
      // It may have been ended while it began.
      if (take !== own || stopping) return;
      become({ state: 'recording', voiceSessionId: key.voiceSessionId, segments: own.segments });
      announce(own);
    },
    async cancel() {
      const own = take;
      if (!own) return;
      take = undefined;
      own.leave();
      become({ state: 'idle' });
      own.isCancelled = true;
      try {
        await source.stop();
      } finally {
        queue.cancel(own.key);
      }
    },
    retry() {
      if (!take || state.state !== 'failed') return stop();
      queue.retry(take.key);
      stopping = finish(take, Promise.resolve());
      return stopping;
    },
  };
}

function nothing(): ParleyFailure {
  return new ParleyFailure('NO_SPEECH', 'Nothing was recorded.');
}
