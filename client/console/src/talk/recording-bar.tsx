import { useEffect, useState } from 'react';
import { useStrings } from '../strings/language.tsx';
import { useClock } from '../ui/clock.ts';
import { Icon } from '../ui/icon.tsx';
import { Meter } from './meter.tsx';
import type { Recording } from './recording.ts';

/** What stands where one writes while one speaks. */
export function RecordingBar({ recording }: { recording: Recording }) {
  const { voice } = useStrings();
  const clock = useClock();
  const now = useNow(recording.startedAt !== undefined);
  return (
    <div className="recording">
      <span className="live" aria-hidden="true" />
      {recording.startedAt === undefined ? (
        <span>{voice.starting}</span>
      ) : (
        <time>
          <span className="sr-only">{voice.recording} </span>
          {clock.duration(now - recording.startedAt)}
        </time>
      )}
      <Meter level={recording.level} />
      <button
        type="button"
        className="icon-button"
        aria-label={voice.discard}
        title={voice.discard}
        onClick={recording.cancel}
      >
        <Icon name="trash" />
      </button>
    </div>
  );
}

function useNow(isRunning: boolean): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!isRunning) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, [isRunning]);
  return now;
}
