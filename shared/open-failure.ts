import type { ConversationState, FailedOutcome, Outcome } from './state.ts';

/**
 * The failures that somebody still has to see, oldest first: nothing else has been said since, nor does a stored answer stand in
 * their place. A turn that ran on beside the one that failed is nothing new. What was recorded and not understood may be lost for
 * good, so that such recordings do not hide one another, nor does one of them that is sent again hide the rest: each goes when its
 * message is stored.
 */
export function openFailures({ outcomes, turn, messages }: ConversationState): readonly FailedOutcome[] {
  const recordings = new Set(outcomes.flatMap((outcome) => recordingOf(outcome) ?? []));
  const resent =
    recordings.size === 0 ? [] : messages.filter(({ voiceSessionId: id }) => id !== undefined && recordings.has(id));

  const isOpen = (failed: FailedOutcome, later: readonly Outcome[]): boolean => {
    const recording = recordingOf(failed);
    if (recording !== undefined) {
      const isLast = later.every((other) => recordingOf(other) !== recording);
      if (!isLast || resent.some(({ voiceSessionId }) => voiceSessionId === recording)) return false;
    }
    // Where nothing was said, nothing is lost.
    const hiding = failed.code === 'NO_SPEECH' ? later : later.filter((other) => recordingOf(other) === undefined);
    const since = [...hiding.map(({ turnId }) => turnId), ...(turn ? [turn.id] : [])];
    if (since.some((id) => id !== failed.beside && !resent.some(({ turnId }) => turnId === id))) return false;
    return failed.messageId === undefined || messages.at(-1)?.turnId === failed.turnId;
  };
  return outcomes.filter(
    (outcome, at): outcome is FailedOutcome => outcome.status === 'failed' && isOpen(outcome, outcomes.slice(at + 1)),
  );
}

/** The recording that became no message. */
function recordingOf(outcome: Outcome): string | undefined {
  return outcome.status === 'failed' ? outcome.voiceSessionId : undefined;
}
