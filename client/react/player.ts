import { useCallback, useMemo } from 'react';
import { Cell, type Live } from '../conversation/live.ts';
import type { AudioOutput } from '../player/output.ts';
import type { Position } from '../player/report.ts';
import type { PlayerState } from '../player/view.ts';
import { useLive } from './live.ts';
import { useParleyContext } from './provider.tsx';

export interface UsePlayerOptions {
  conversationId: string;
  /** Where it is heard: `webAudioOutput(new AudioContext())`, the same object at each render. Null: nothing is played. */
  output: AudioOutput | null;
}

export interface UsePlayerResult extends PlayerState {
  /** How far what is being played was heard. `interrupt` of `useConversation` asks for it by itself. */
  heard: () => Position | undefined;
  /** Silence at once, here only; what still comes of the turns that were playing is not played. */
  stop: () => Position | undefined;
  /** Lets the output sound; to be called when somebody touches the page. */
  enable: () => Promise<void>;
}

const silent: Live<PlayerState> = new Cell<PlayerState>({ state: 'idle' });

/**
 * Plays the conversation's spoken answers in order while the component is there, stops on `speech.stop`, and tells the server
 * what was heard. Two components with the same output play once.
 */
export function usePlayer({ conversationId, output }: UsePlayerOptions): UsePlayerResult {
  const { views } = useParleyContext();
  const player = useMemo(
    () => (output ? views.player(conversationId, output) : undefined),
    [views, conversationId, output],
  );
  const state = useLive(player ?? silent);
  return {
    ...state,
    heard: useCallback(() => player?.heard(), [player]),
    stop: useCallback(() => player?.stop(), [player]),
    enable: useCallback(async () => player?.enable(), [player]),
  };
}
