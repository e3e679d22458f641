import { useEffect, useRef, useState } from 'react';
import { useStrings } from '../strings/language.tsx';

const bars = 40;
const ids = Array.from({ length: bars }, (_, index) => index);

/** How loud it was over the last seconds, the newest on the right. */
export function Meter({ level }: { level: number }) {
  const { voice } = useStrings();
  const latest = useRef(level);
  latest.current = level;
  const [levels, setLevels] = useState<readonly number[]>(() => ids.map(() => 0));
  useEffect(() => {
    const timer = setInterval(() => setLevels((before) => [...before.slice(1), latest.current]), 60);
    return () => clearInterval(timer);
  }, []);
  return (
    // biome-ignore lint/a11y/useSemanticElements: the element draws one bar, and one only.
    <svg
      className="meter"
      viewBox={`0 0 ${bars * 5} 36`}
      preserveAspectRatio="none"
      role="meter"
      aria-label={voice.level}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(loudness(level) * 100)}
    >
      {ids.map((index) => {
        const height = 2 + 32 * loudness(levels[index] ?? 0);
        return (
          <rect
            key={index}
            x={index * 5 + 1}
            y={18 - height / 2}
            width={3}
            height={height}
            rx={1.5}
            fill="currentColor"
          />
        );
      })}
    </svg>
  );
}

/** Ears hear ratios: a quiet voice, about 0.02, is a third of the height. */
function loudness(rms: number): number {
  return Math.max(0, Math.min(1, 1 + Math.log10(Math.max(rms, 0.001)) / 2.4));
}
