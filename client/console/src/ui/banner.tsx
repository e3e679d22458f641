import { useConnection } from '@parley/client/react';
import { useEffect, useState } from 'react';
import { useStrings } from '../strings/language.tsx';
import { Icon } from './icon.tsx';

/** A connection that is back at once was not worth a word. Milliseconds. */
const patienceMs = 700;

/** Says that the server cannot be reached, for as long as that is so. */
export function Banner() {
  const { connection } = useStrings();
  const { isOnline } = useConnection();
  const [isShown, setShown] = useState(false);
  useEffect(() => {
    if (isOnline) {
      setShown(false);
      return;
    }
    const timer = setTimeout(() => setShown(true), patienceMs);
    return () => clearTimeout(timer);
  }, [isOnline]);
  return (
    <div role="status" aria-live="polite">
      {isShown && (
        <div className="banner">
          <Icon name="cloud" />
          <span>{navigator.onLine ? connection.lost : connection.offline}</span>
        </div>
      )}
    </div>
  );
}
