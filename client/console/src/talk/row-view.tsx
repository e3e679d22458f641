import type { Reason } from '@parley/shared/reason';
import type { FailedOutcome } from '@parley/shared/state';
import { memo } from 'react';
import { useStrings } from '../strings/language.tsx';
import { useClock } from '../ui/clock.ts';
import { AgentMessage } from './agent-message.tsx';
import { FailureNote } from './failure-note.tsx';
import { HumanMessage, OutgoingMessage, TranscriptMessage } from './human-message.tsx';
import { Pending } from './pending.tsx';
import { remedyOf } from './remedy.ts';
import type { Row } from './rows.ts';
import type { Sentence } from './spoken.ts';

export interface RowActions {
  retry: (turnId: string) => void;
  /** Of a recording that became no message. */
  canResendRecording: (failed: FailedOutcome) => boolean;
  resendRecording: (failed: FailedOutcome) => void;
  resend: (turnId: string) => void;
  discard: (turnId: string) => void;
}

export interface RowViewProps {
  row: Row;
  /** Of the last turn, while something can be said. */
  canRetry: boolean;
  /** Why trying its turn again did not work. */
  problem: Reason | undefined;
  /** The sentence that is being heard, and all of its turn. */
  spoken: Sentence | undefined;
  sentences: readonly Sentence[] | undefined;
  actions: RowActions;
}

export const RowView = memo(function RowView(props: RowViewProps) {
  const { problem } = props;
  return (
    <>
      <RowBody {...props} />
      {problem && (
        <div role="alert">
          <FailureNote code={problem} />
        </div>
      )}
    </>
  );
});

function RowBody({ row, canRetry, spoken, sentences, actions }: RowViewProps) {
  switch (row.type) {
    case 'day':
      return <Day at={row.at} />;
    case 'message':
    case 'turn':
      if (row.type === 'message' && row.message.role === 'human') return <HumanMessage message={row.message} />;
      // In one place whether it comes in or is stored: what is shown of it is not made anew when it has ended.
      return (
        <AgentMessage
          answer={row.type === 'message' ? row.message : row.turn}
          turnId={row.type === 'message' ? row.message.turnId : row.turn.id}
          canRetry={canRetry}
          spoken={spoken}
          sentences={sentences}
          onRetry={actions.retry}
        />
      );
    case 'outgoing':
      return <OutgoingMessage outgoing={row.outgoing} onResend={actions.resend} onDiscard={actions.discard} />;
    case 'transcript':
      return <TranscriptMessage transcript={row.transcript} />;
    case 'listening':
      return <Pending text={row.text} />;
    case 'failure':
      return <Failure outcome={row.outcome} canRetry={canRetry} actions={actions} />;
  }
}

function Failure({
  outcome,
  canRetry,
  actions,
}: { outcome: FailedOutcome } & Pick<RowViewProps, 'canRetry' | 'actions'>) {
  const { talk } = useStrings();
  const { turnId, code, message } = outcome;
  const note = { code, message };
  switch (canRetry ? remedyOf(outcome, actions.canResendRecording) : 'none') {
    case 'retry':
      return <FailureNote {...note} onRetry={() => actions.retry(turnId)} />;
    case 'resend':
      return <FailureNote {...note} onRetry={() => actions.resendRecording(outcome)} />;
    case 'say again':
      return <FailureNote {...note} hint={talk.sayAgain} />;
    case 'none':
      return <FailureNote {...note} />;
  }
}

function Day({ at }: { at: number }) {
  const clock = useClock();
  return <p className="day">{clock.day(at)}</p>;
}
