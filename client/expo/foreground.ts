import { useEffect } from 'react';
import { AppState } from 'react-native';

/**
 * In the background a phone stops the app's JavaScript and closes its connections. The client finds out by itself when the
 * app is back, and goes on after the last event; what is left to an app is to end its recording, and to try at once what waits.
 */
export function useForeground({ onForeground, onBackground }: { onForeground(): void; onBackground(): void }): void {
  useEffect(() => {
    const subscription = AppState.addEventListener('change', (state) => {
      // Between the two an iPhone is `inactive`: in the list of apps, or asking for a permission.
      if (state === 'active') onForeground();
      else if (state === 'background') onBackground();
    });
    return () => subscription.remove();
  }, [onForeground, onBackground]);
}
