import type { FailedOutcome } from '@parley/shared/state';

/** What can be done about a turn that failed without an answer. */
export type Remedy =
  /** The server has what was said, and tries again. */
  | 'retry'
  /** It has no message of the recording: what was recorded is sent again, from here. */
  | 'resend'
  /** Nobody has the recording any more. */
  | 'say again'
  | 'none';

/** `canResend`: whether a recording is still here. */
export function remedyOf(failed: FailedOutcome, canResend: (failed: FailedOutcome) => boolean): Remedy {
  if (failed.retryable === false) return 'none';
  if (failed.voiceSessionId === undefined) return 'retry';
  return canResend(failed) ? 'resend' : 'say again';
}
