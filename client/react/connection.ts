import { onlineManager } from '@tanstack/react-query';
import { useSyncExternalStore } from 'react';
import type { ConnectionState } from '../connection/link.ts';
import type { ParleyFailure } from '../failure.ts';
import { useLive } from './live.ts';
import { useParley } from './provider.tsx';

export interface UseConnectionResult {
  state: ConnectionState['state'];
  /** False when the device has no network, or the server was lost and is being looked for. */
  isOnline: boolean;
  /** Why it is being looked for. */
  failure?: ParleyFailure;
}

const subscribe = (listener: () => void): (() => void) => onlineManager.subscribe(listener);

/** What the way to the server is doing. In React Native TanStack's `onlineManager` is to be told of the network. */
export function useConnection(): UseConnectionResult {
  const { state, error } = useLive(useParley().connection);
  const hasNetwork = useSyncExternalStore(
    subscribe,
    () => onlineManager.isOnline(),
    () => true,
  );
  const isLost = state !== 'open' && error !== undefined;
  return { state, isOnline: hasNetwork && !isLost, ...(isLost && { failure: error }) };
}
