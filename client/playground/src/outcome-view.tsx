import { useState } from 'react';
import { msText, type Outcome } from './call.ts';
import { cut, toText } from './text.ts';

/** What a call gave: how long it took, and the value or everything that is known of the failure. */
export function OutcomeView({ outcome, isRunning }: { outcome: Outcome | undefined; isRunning: boolean }) {
  return (
    <section className="outcome" aria-label="Result">
      <p role="status" className={outcome?.is === 'failed' && !isRunning ? 'outcome-line error' : 'outcome-line'}>
        {isRunning ? 'Calling …' : outcome && lineOf(outcome)}
      </p>
      {outcome?.is === 'answered' && <Json value={outcome.value} label="Result as JSON" />}
      {outcome?.is === 'failed' && <Failure outcome={outcome} />}
    </section>
  );
}

function lineOf(outcome: Outcome): string {
  switch (outcome.is) {
    case 'answered':
      return `Answered in ${msText(outcome.ms)}`;
    case 'failed':
      return `${outcome.failure.reason} after ${msText(outcome.ms)}: ${outcome.failure.message}`;
    case 'subscribed':
      return 'Subscribed: what comes is under Subscriptions.';
    case 'cancelled':
      return `Cancelled after ${msText(outcome.ms)}. What the server has begun may go on.`;
  }
}

function Failure({ outcome: { failure, code, status } }: { outcome: Extract<Outcome, { is: 'failed' }> }) {
  const { reason, retryable, traceId, details } = failure;
  return (
    <>
      <dl className="facts">
        <dt>Reason</dt>
        <dd className="mono">{reason}</dd>
        {code !== undefined && (
          <>
            <dt>Code</dt>
            <dd className="mono">
              {code}
              {status !== undefined && ` (${status})`}
            </dd>
          </>
        )}
        <dt>Retryable</dt>
        <dd>{retryable ? 'yes' : 'no'}</dd>
        {traceId !== undefined && (
          <>
            <dt>Trace</dt>
            <dd className="mono">{traceId}</dd>
          </>
        )}
      </dl>
      {details && <Json value={details} label="Details of the failure" />}
    </>
  );
}

/** A value as JSON, as much of it as a page can hold; all of it to be copied. */
export function Json({ value, label }: { value: unknown; label: string }) {
  const [copied, setCopied] = useState<'no' | 'yes' | 'failed'>('no');
  const { text } = toText(value);
  const { shown, left } = cut(text);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied('yes');
    } catch {
      setCopied('failed');
    }
  };
  return (
    <div className="json">
      <button type="button" className="button small" onClick={() => void copy()} aria-label={`Copy: ${label}`}>
        {copied === 'no' ? 'Copy' : copied === 'yes' ? 'Copied' : 'Not copied'}
      </button>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard */}
      <section className="json-text" aria-label={label} tabIndex={0}>
        <pre>
          {shown === '' ? 'nothing' : shown}
          {left > 0 && `\n… and ${left} more characters`}
        </pre>
      </section>
    </div>
  );
}
