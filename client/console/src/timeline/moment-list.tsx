import type { Moment, TurnRecord } from '@parley/client/react';
import { memo } from 'react';
import { useStrings } from '../strings/language.tsx';

/** Moments of one turn that are shown: the first ones and the last ones. */
const most = 120;

/** Milliseconds since the turn's beginning, and what happened then. */
export const MomentList = memo(function MomentList({ turn }: { turn: TurnRecord }) {
  const { timeline } = useStrings();
  // What led to a spoken turn came before it.
  const moments = turn.moments.toSorted((one, other) => one.at - other.at);
  const start = turn.times.startedAt ?? moments[0]?.at ?? 0;
  const shown = moments.length > most ? [...moments.slice(0, most / 2), ...moments.slice(-most / 2)] : moments;
  return (
    <ol className="events">
      {shown.map((moment) => (
        <li key={moment.id} className={classOf(moment)}>
          <time>{timeline.ms(moment.at - start)}</time>
          <code>
            {moment.type}
            {moment.count > 1 && ` ${timeline.times(moment.count)}`}
          </code>
          {detailOf(moment) !== '' && <span className="detail">{detailOf(moment)}</span>}
        </li>
      ))}
    </ol>
  );
});

function classOf({ type }: Moment): string | undefined {
  if (type === 'turn.failed' || type === 'agent.audioFailed') return 'is-failure';
  return type === 'turn.completed' || type === 'turn.interrupted' ? 'is-end' : undefined;
}

function detailOf({ sentence, characters, bytes }: Moment): string {
  const parts: string[] = [];
  if (sentence !== undefined) parts.push(`#${sentence}`);
  if (characters > 0) parts.push(`${characters} ch`);
  if (bytes > 0) parts.push(`${Math.ceil(bytes / 1024)} KB`);
  return parts.join(' · ');
}
