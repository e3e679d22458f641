import type { Parley } from '@parley/client';
import { useEffect } from 'react';

/** Whether the connection lives is found out at once when somebody looks at the page again: it may have slept. */
export function useWake(parley: Parley | undefined): void {
  useEffect(() => {
    if (!parley) return;
    const look = (): void => {
      if (document.visibilityState === 'visible') parley.wake();
    };
    document.addEventListener('visibilitychange', look);
    return () => document.removeEventListener('visibilitychange', look);
  }, [parley]);
}
