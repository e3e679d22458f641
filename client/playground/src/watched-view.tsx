import { memo, useState, useSyncExternalStore } from 'react';
import { isRecord } from '../../failure.ts';
import { Json } from './outcome-view.tsx';
import type { Arrival, LiveState, Watched } from './watched.ts';

/** A subscription as its values come, newest first. */
export function WatchedView({ watched, onRemove }: { watched: Watched; onRemove: () => void }) {
  const { state, arrivals, count, lastId } = useSyncExternalStore(watched.subscribe, watched.view);
  const isRunning = state.is === 'connecting' || state.is === 'live';
  return (
    <section className="watched" aria-label={`Subscription ${watched.path}`}>
      <div className="watched-head">
        <h3>{watched.path}</h3>
        <span className={`state ${state.is}`} role="status">
          {wordsOf(state)}
        </span>
      </div>
      <p className="note mono watched-input">{JSON.stringify(watched.input)}</p>
      <div className="form-row">
        {isRunning ? (
          <button type="button" className="button small" onClick={() => watched.stop()}>
            Stop
          </button>
        ) : (
          <button type="button" className="button small" onClick={() => watched.resume()}>
            {lastId === undefined ? 'Start again' : 'Resume'}
          </button>
        )}
        <button type="button" className="button small" onClick={() => watched.clear()} disabled={arrivals.length === 0}>
          Clear
        </button>
        <button type="button" className="button small" onClick={onRemove}>
          Close
        </button>
        <span className="note count">
          {count} {count === 1 ? 'event' : 'events'}
          {arrivals.length < count && `, ${arrivals.length} kept`}
        </span>
      </div>
      {state.is === 'failed' && <p className="error">{state.failure.message}</p>}
      {lastId !== undefined && !isRunning && (
        <p className="note">
          Goes on after <span className="mono">{lastId}</span>
        </p>
      )}
      <ol className="arrivals" reversed>
        {arrivals.toReversed().map((arrival) => (
          <Row key={arrival.number} arrival={arrival} />
        ))}
      </ol>
    </section>
  );
}

function wordsOf(state: LiveState): string {
  return state.is === 'failed' ? state.failure.reason : state.is;
}

const Row = memo(function Row({ arrival: { number, id, at, data } }: { arrival: Arrival }) {
  const [isOpen, setOpen] = useState(false);
  const { type, text } = isRecord(data) ? data : {};
  return (
    <li>
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>
          <span className="note">{number}</span>
          <span className="arrival-type">{typeof type === 'string' ? type : 'value'}</span>
          <span className="arrival-text">{typeof text === 'string' ? text.slice(0, 80) : ''}</span>
        </summary>
        {isOpen && (
          <>
            <p className="note">
              {new Date(at).toLocaleTimeString()}
              {id !== undefined && <span className="mono"> {id}</span>}
            </p>
            <Json value={data} label={`Event ${number}`} />
          </>
        )}
      </details>
    </li>
  );
});
