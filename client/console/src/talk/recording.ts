import { type UseConversationResult, type UsePlayerResult, useRecorder } from '@parley/client/react';
import { useCallback, useEffect, useState } from 'react';
import type { Strings } from '../strings/strings.ts';
import { microphone } from './microphone.ts';

export interface Recording {
  state: ReturnType<typeof useRecorder>['state'];
  level: number;
  /** Milliseconds since the epoch; while it goes on. */
  startedAt: number | undefined;
  problem: ((strings: Strings) => string) | undefined;
  canRetry: boolean;
  start: () => void;
  finish: () => void;
  cancel: () => void;
  retry: () => void;
}

/** What goes wrong is in the recorder's state too. */
const ignore = (): void => {};

/** Recording in a conversation. Whoever begins to talk interrupts the agent. */
export function useRecording(
  id: string,
  isBusy: boolean,
  interrupt: UseConversationResult['interrupt'],
  player: UsePlayerResult,
): Recording {
  const [source] = useState(microphone);
  const recorder = useRecorder({ conversationId: id, source });
  const [startedAt, setStartedAt] = useState<number>();
  const [isUnsupported, setUnsupported] = useState(false);
  const { state, failure, error } = recorder;
  const { start, stop, cancel, retry } = recorder;
  const { mutate: stopAgent } = interrupt;
  const { enable } = player;
  useEffect(() => {
    setStartedAt(state === 'recording' ? Date.now() : undefined);
  }, [state]);
  return {
    state,
    level: recorder.level,
    startedAt,
    problem:
      state === 'starting' || state === 'recording' ? undefined : problemOf(isUnsupported, error, failure?.reason),
    canRetry: state === 'failed' && failure?.reason !== 'NO_SPEECH',
    start: useCallback(() => {
      setUnsupported(source === null);
      if (source === null) return;
      if (isBusy) stopAgent(undefined);
      enable().catch(ignore);
      start().catch(ignore);
    }, [source, isBusy, stopAgent, enable, start]),
    finish: useCallback(() => void stop().catch(ignore), [stop]),
    cancel: useCallback(() => void cancel().catch(ignore), [cancel]),
    retry: useCallback(() => void retry().catch(ignore), [retry]),
  };
}

function problemOf(isUnsupported: boolean, error: unknown, reason: string | undefined): Recording['problem'] {
  if (isUnsupported) return ({ voice }) => voice.unsupported;
  if (reason === 'NO_SPEECH') return ({ voice }) => voice.nothing;
  if (reason !== undefined) return ({ voice }) => voice.failed;
  if (error === undefined) return undefined;
  const name = error instanceof Error ? error.name : '';
  if (name === 'NotAllowedError' || name === 'SecurityError') return ({ voice }) => voice.denied;
  if (name === 'NotFoundError' || name === 'OverconstrainedError') return ({ voice }) => voice.none;
  return ({ voice }) => voice.failed;
}
