import type { TurnRecord } from '@parley/client/react';
import { useStrings } from '../strings/language.tsx';

interface Step {
  label: string;
  /** Milliseconds from the beginning of the whole. */
  from: number;
  to: number;
  /** What is said of it: since the turn was accepted, as the server measures it. */
  ms: number;
}

/** Where the time of a turn went: each step begins where the one before it was reached. */
export function Waterfall({ turn }: { turn: TurnRecord }) {
  const { timeline } = useStrings();
  const { sttMs = 0, firstDeltaMs, firstSentenceMs, firstAudioMs, totalMs } = turn.latency;
  const steps: Step[] = [];
  if (turn.latency.sttMs !== undefined) steps.push({ label: timeline.stt, from: 0, to: sttMs, ms: sttMs });
  let reached = 0;
  const step = (label: string, ms: number | undefined): void => {
    if (ms === undefined) return;
    steps.push({ label, from: sttMs + Math.min(reached, ms), to: sttMs + ms, ms });
    reached = ms;
  };
  step(timeline.firstDelta, firstDeltaMs);
  step(timeline.firstSentence, firstSentenceMs);
  step(timeline.firstAudio, firstAudioMs);
  step(timeline.end, totalMs);
  const whole = Math.max(1, ...steps.map(({ to }) => to));
  const { tokensIn, tokensOut } = turn.metrics ?? {};
  return (
    <>
      <dl className="waterfall">
        {steps.map(({ label, from, to, ms }) => (
          <div key={label} className="waterfall-row">
            <dt>{label}</dt>
            <dd>{timeline.ms(ms)}</dd>
            <svg className="waterfall-track" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
              <rect className="ground" width="100" height="8" rx="1.5" />
              <rect
                className="bar"
                x={(from / whole) * 100}
                width={Math.max(1, ((to - from) / whole) * 100)}
                height="8"
                rx="1.5"
              />
            </svg>
          </div>
        ))}
      </dl>
      {tokensIn !== undefined && tokensOut !== undefined && (
        <p className="note waterfall-note">{timeline.tokens(tokensIn, tokensOut)}</p>
      )}
    </>
  );
}
