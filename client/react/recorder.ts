import { useCallback, useEffect, useMemo } from 'react';
import { Cell, type Live } from '../conversation/live.ts';
import type { ParleyFailure } from '../failure.ts';
import type { Recorded, RecorderState } from '../recorder/recorder.ts';
import type { AudioSource } from '../recorder/source.ts';
import { RecorderView, type RecorderViewState } from '../recorder/view.ts';
import { useLive } from './live.ts';
import { useParleyContext } from './provider.tsx';

export interface UseRecorderOptions {
  conversationId: string;
  /** The same object at each render. Null while there is none: `start` rejects. */
  source: AudioSource | null;
  /** Milliseconds of a segment, 500 to 55,000; 5 s by default. */
  segmentMs?: number;
}

export interface UseRecorderResult {
  state: RecorderState['state'];
  voiceSessionId?: string;
  /** What the recording becomes; with `done`. */
  turnId?: string;
  /** Segments of it that have been cut. */
  segments: number;
  /** Why sending cannot go on by itself; with `failed`. */
  failure?: ParleyFailure;
  /** Why the source could not be opened, or ended by itself. */
  error: unknown;
  /** Segments of all recordings that the server does not have yet, also while offline. */
  pending: number;
  /** How loud it is, 0 to 1; 0 where the source does not measure it. */
  level: number;
  start: () => Promise<void>;
  /** Resolves when the server has all of it; its turn is seen in the conversation. */
  stop: () => Promise<Recorded>;
  /** Forgets it: no turn comes of it. */
  cancel: () => Promise<void>;
  retry: () => Promise<Recorded>;
}

const none: Live<RecorderViewState> = new Cell<RecorderViewState>({
  recorder: { state: 'idle' },
  pending: 0,
  error: undefined,
});
const silence: Live<number> = new Cell(0);

/** Records what somebody says in a conversation and sends it while it is said. A recording is ended, and sent, when the component goes. */
export function useRecorder({ conversationId, source, segmentMs }: UseRecorderOptions): UseRecorderResult {
  const { parley } = useParleyContext();
  const view = useMemo(
    () =>
      source
        ? new RecorderView(parley.conversation(conversationId), { source, segmentMs, queue: parley.segments })
        : undefined,
    [parley, conversationId, source, segmentMs],
  );
  useEffect(() => () => view?.leave(), [view]);
  const { recorder, pending, error } = useLive(view ?? none);
  const level = useLive(source?.meter ?? silence);
  return {
    state: recorder.state,
    segments: recorder.state === 'recording' ? recorder.segments : 0,
    ...('voiceSessionId' in recorder && { voiceSessionId: recorder.voiceSessionId }),
    ...(recorder.state === 'done' && { turnId: recorder.turnId }),
    ...(recorder.state === 'failed' && { failure: recorder.failure }),
    error,
    pending,
    level,
    start: useCallback(() => existing(view).start(), [view]),
    stop: useCallback(() => existing(view).stop(), [view]),
    cancel: useCallback(async () => view?.cancel(), [view]),
    retry: useCallback(() => existing(view).retry(), [view]),
  };
}

function existing(view: RecorderView | undefined): RecorderView {
  if (!view) throw new TypeError('There is nothing to record from.');
  return view;
}
