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

/** Records what somebody says and sends it while it is said. */
export function createRecorder(options: RecorderOptions): Recorder {
  return new SegmentRecorder(options);
}

const segment = { usualMs: 5_000, leastMs: 500, mostMs: 55_000 };

class SegmentRecorder implements Recorder {
  readonly queue: SegmentQueue;
  readonly #conversationId: string;
  readonly #source: AudioSource;
  readonly #segmentMs: number;
  readonly #onState: (state: RecorderState) => void;
  readonly #tell: (event: RecorderEvent) => void;
  #state: RecorderState = { state: 'idle' };
  #take: Take | undefined;
  #stopping: Promise<Recorded> | undefined;

  constructor({ conversationId, source, segmentMs = segment.usualMs, onState, onEvent, ...rest }: RecorderOptions) {
    this.queue = 'queue' in rest ? rest.queue : new SegmentQueue(rest);
    this.#conversationId = conversationId;
    this.#source = source;
    this.#segmentMs = Math.min(segment.mostMs, Math.max(segment.leastMs, segmentMs));
    this.#onState = onState ?? (() => {});
    this.#tell = onEvent ?? (() => {});
  }

  get state(): RecorderState {
    return this.#state;
  }

  async start(): Promise<void> {
    const { state } = this.#state;
    if (state === 'starting' || state === 'recording' || state === 'sending')
      throw new TypeError(`A recording is ${state} already.`);
    const key = { conversationId: this.#conversationId, voiceSessionId: newId() };
    const take = new Take(key, this.#source, this.#segmentMs, this.queue);
    this.#become({ state: 'starting' });
    this.#take?.leave();
    this.#take = take;
    this.#stopping = undefined;
    take.onSegment = (segments) => this.#become({ state: 'recording', voiceSessionId: key.voiceSessionId, segments });
    take.onEnd = (why, error) => {
      this.#tell({ type: 'ended', why, ...(error !== undefined && { error }) });
      this.stop().catch(() => {});
    };
    take.leave = this.queue.on((event) => this.#heed(take, event));
    try {
      await take.start();
    } catch (error) {
      take.leave();
      this.#take = undefined;
      this.#become({ state: 'idle' });
      throw error;
    }
    // It may have been ended while it began.
    if (this.#take !== take || this.#stopping) return;
    this.#become({ state: 'recording', voiceSessionId: key.voiceSessionId, segments: take.segments });
    this.#announce(take);
  }

  stop(): Promise<Recorded> {
    const take = this.#take;
    if (!take) return Promise.reject(new ParleyFailure('NO_SPEECH', 'Nothing was recorded.'));
    this.#stopping ??= this.#finish(take, take.stop());
    return this.#stopping;
  }

  async cancel(): Promise<void> {
    const take = this.#take;
    if (!take) return;
    this.#take = undefined;
    take.leave();
    this.#become({ state: 'idle' });
    take.isCancelled = true;
    try {
      await this.#source.stop();
    } finally {
      this.queue.cancel(take.key);
    }
  }

  retry(): Promise<Recorded> {
    const take = this.#take;
    if (!take || this.#state.state !== 'failed') return this.stop();
    this.queue.retry(take.key);
    this.#stopping = this.#finish(take, Promise.resolve());
    return this.#stopping;
  }

  async #finish(take: Take, stopped: Promise<void>): Promise<Recorded> {
    const { voiceSessionId } = take.key;
    this.#become({ state: 'sending', voiceSessionId });
    try {
      await stopped;
      if (take.segments === 0) throw new ParleyFailure('NO_SPEECH', 'Nothing was recorded.');
      const { turnId } = await this.queue.finished(take.key);
      if (this.#take === take) this.#become({ state: 'done', voiceSessionId, turnId });
      return { voiceSessionId, turnId };
    } catch (cause) {
      const failure = failureOf(cause);
      if (this.#take === take) this.#become({ state: 'failed', voiceSessionId, failure });
      throw failure;
    }
  }

  /** Tells the server, for the agent to show that it listens. That it could not be told costs only that. */
  #announce({ key }: Take): void {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), this.#segmentMs);
    this.queue.voice
      .recordingStarted(key, late.signal)
      .catch(() => {})
      .finally(() => clearTimeout(timer));
  }

  #heed(take: Take, event: QueueEvent): void {
    const isOurs = event.type === 'unstored' || event.segment.voiceSessionId === take.key.voiceSessionId;
    if (!isOurs) return;
    this.#tell(event);
    // What comes after a segment that can never be taken cannot become a turn either.
    if (event.type === 'failed' && !event.isKept && this.#state.state === 'recording' && this.#take === take)
      this.stop().catch(() => {});
  }

  #become(state: RecorderState): void {
    this.#state = state;
    this.#onState(state);
  }
}
