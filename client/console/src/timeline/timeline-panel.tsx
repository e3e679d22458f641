import type { TurnRecord } from '@parley/client/react';
import { useStrings } from '../strings/language.tsx';
import { useClock } from '../ui/clock.ts';
import { Icon } from '../ui/icon.tsx';
import { MomentList } from './moment-list.tsx';
import { Waterfall } from './waterfall.tsx';

/** The button that opens and closes it, which has the focus when it is gone. */
export const timelineToggle = 'timeline-toggle';
/** Turns that are shown. */
const most = 8;

/** What happens in the turns of a conversation, as it happens, and how long each step took. */
export function TimelinePanel({ turns, onClose }: { turns: readonly TurnRecord[]; onClose: () => void }) {
  const { timeline, actions } = useStrings();
  const clock = useClock();
  const close = (): void => {
    onClose();
    document.getElementById(timelineToggle)?.focus();
  };
  const shown = turns.slice(-most).toReversed();
  const [last] = shown;
  return (
    <aside className="timeline" aria-label={timeline.title}>
      <div className="timeline-head">
        <h2>{timeline.title}</h2>
        <button type="button" className="icon-button" aria-label={actions.close} title={actions.close} onClick={close}>
          <Icon name="close" />
        </button>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard. */}
      <section className="timeline-body" tabIndex={0} aria-label={timeline.events}>
        {!last && <p className="note">{timeline.empty}</p>}
        {last && (
          <>
            <h3>{timeline.latency}</h3>
            <Waterfall turn={last} />
          </>
        )}
        {shown.map((turn, index) => {
          const at = turn.times.startedAt ?? turn.moments[0]?.at;
          return (
            <details key={turn.id} open={index === 0} className="timeline-turn">
              <summary>
                <span>{at === undefined ? timeline.events : clock.time(at)}</span>
                <span className="badge">{timeline.status[turn.status]}</span>
              </summary>
              <MomentList turn={turn} />
            </details>
          );
        })}
      </section>
    </aside>
  );
}
