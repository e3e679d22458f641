import type { Conversation } from '../conversation/conversation.ts';
import { Cell, type Live } from '../conversation/live.ts';
import type { ParleyFailure } from '../failure.ts';
import type { SegmentQueue } from './queue.ts';
import type { Recorded, Recorder, RecorderState } from './recorder.ts';
import type { AudioSource } from './source.ts';

export interface RecorderViewState {
  readonly recorder: RecorderState;
  /** Segments of all recordings that the server does not have yet. */
  readonly pending: number;
  /** What went wrong beside the recording: its source could not be opened, or ended by itself. */
  readonly error: unknown;
}

/** A recorder and what waits to be sent, as a screen shows it. */
export class RecorderView implements Live<RecorderViewState> {
  readonly #recorder: Recorder;
  readonly #queue: SegmentQueue;
  readonly #cell: Cell<RecorderViewState>;

  constructor(
    conversation: Conversation,
    options: { source: AudioSource; segmentMs?: number | undefined; queue: SegmentQueue },
  ) {
    const { source, segmentMs, queue } = options;
    this.#queue = queue;
    this.#recorder = conversation.record({
      source,
      queue,
      ...(segmentMs !== undefined && { segmentMs }),
      onState: (recorder) => this.#become({ recorder, ...(recorder.state === 'starting' && { error: undefined }) }),
      onEvent: (event) => {
        if (event.type === 'ended' && event.error !== undefined) this.#become({ error: event.error });
      },
    });
    this.#cell = new Cell({ recorder: this.#recorder.state, pending: queue.pending, error: undefined });
  }

  readonly get = (): RecorderViewState => this.#cell.get();

  readonly subscribe = (listener: () => void): (() => void) => {
    const end = this.#cell.subscribe(listener);
    const leave = this.#queue.on(() => this.#become({}));
    return () => {
      leave();
      end();
    };
  };

  /** @throws what the source throws, which is in the state too */
  async start(): Promise<void> {
    try {
      await this.#recorder.start();
    } catch (error) {
      this.#become({ error });
      throw error;
    }
  }

  /** @throws ParleyFailure, which is in the state too */
  stop(): Promise<Recorded> {
    return this.#recorder.stop();
  }

  async cancel(): Promise<void> {
    try {
      await this.#recorder.cancel();
    } finally {
      // What waited of it waits no more.
      this.#become({});
    }
  }

  /** @throws ParleyFailure, which is in the state too */
  retry(): Promise<Recorded> {
    return this.#recorder.retry();
  }

  /** Ends a recording that goes on; what was said is sent. */
  leave(): void {
    const { state } = this.#recorder.state;
    if (state === 'recording' || state === 'starting') this.#recorder.stop().catch(() => {});
  }

  #become(news: Partial<RecorderViewState>): void {
    this.#cell.set({ ...this.#cell.get(), ...news, pending: this.#queue.pending });
  }
}

export function failureIn({ recorder }: RecorderViewState): ParleyFailure | undefined {
  return recorder.state === 'failed' ? recorder.failure : undefined;
}
