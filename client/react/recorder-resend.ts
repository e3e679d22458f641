import { useCallback } from 'react';
import { canResend, type FailedRecording, resend } from '../recorder/resend.ts';
import { type Mutation, useCall } from './mutation.ts';
import { useParleyContext } from './provider.tsx';

export interface UseResendRecordingResult {
  /** Whether it is still here to be sent again: the server keeps nothing that it could try by itself. */
  canResend: (failed: FailedRecording) => boolean;
  /** Sends it again. Its turn is seen in the conversation. */
  resend: Mutation<{ turnId: string }, FailedRecording>;
}

/** For recordings that failed before they became a message: outcomes with a `voiceSessionId`. Others are for `retry`. */
export function useResendRecording(conversationId: string): UseResendRecordingResult {
  const { parley } = useParleyContext();
  const { segments } = parley;
  return {
    canResend: useCallback(
      (failed: FailedRecording) => canResend(segments, conversationId, failed),
      [segments, conversationId],
    ),
    resend: useCall((failed: FailedRecording) => resend(segments, conversationId, failed)),
  };
}
