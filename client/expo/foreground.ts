import { useEffect } from 'react';
import { AppState } from 'react-native';

/**
 * In the background a phone stops the app's JavaScript and closes its connections, with a word or without. The client goes on
 * after the last event when the app is back: `parley.wake()` lets it find out at once. A recording is best ended before.
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
