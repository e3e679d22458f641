import type { AppRouter } from '@parley/server/rpc/router';
import type { Heard, TurnMedium } from '@parley/shared/turn';
import type { inferRouterInputs } from '@trpc/server';
import type { SegmentQueue } from '../recorder/queue.ts';
import type { RecorderOptions } from '../recorder/recorder.ts';
import type { EventsOptions } from './events.ts';

export interface TurnFollowOptions extends EventsOptions {
  /** What began it; `text` by default. */
  input?: TurnMedium;
  /** It may not be there yet, such as a recording's before it is transcribed: it is waited for, 15 minutes at most. */
  expected?: boolean;
}

export interface InterruptOptions {
  /** The running turn, when it is not given. */
  turnId?: string | undefined;
  /** How far the listener got: what was not heard is kept as such. */
  heard?: Heard | undefined;
}

type VoiceMessage = inferRouterInputs<AppRouter>['voice']['sendMessage'];
export type SpeakInput = Pick<VoiceMessage, 'data' | 'format' | 'sampleRate' | 'durationMs'>;
export interface SpeakOptions extends Pick<VoiceMessage, 'turnId' | 'speak' | 'onBusy'> {
  signal?: AbortSignal | undefined;
}

export type RecordOptions = Pick<RecorderOptions, 'source' | 'segmentMs' | 'onState' | 'onEvent'> & {
  queue?: SegmentQueue;
};

export interface PageOptions {
  cursor?: string | undefined;
  /** 1 to 100; 50 by default. */
  limit?: number;
  /** `asc`, oldest first, by default. */
  order?: 'asc' | 'desc';
  signal?: AbortSignal | undefined;
}
