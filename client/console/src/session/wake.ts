import type { Parley } from '@parley/client';
import { useEffect } from 'react';

/** What has waited long is tried at once when the browser has a network again, or somebody looks at the page again. */
export function useWake(parley: Parley | undefined): void {
  useEffect(() => {
    if (!parley) return;
    const wake = (): void => parley.wake();
    const look = (): void => {
      if (document.visibilityState === 'visible') wake();
    };
    window.addEventListener('online', wake);
    document.addEventListener('visibilitychange', look);
    return () => {
      window.removeEventListener('online', wake);
      document.removeEventListener('visibilitychange', look);
    };
  }, [parley]);
}
