import { useSyncExternalStore } from 'react';
import type { Live } from '../conversation/live.ts';

/** A live value. On a server it is what it is without anybody listening. */
export function useLive<T>({ subscribe, get }: Live<T>): T {
  return useSyncExternalStore(subscribe, get, get);
}
