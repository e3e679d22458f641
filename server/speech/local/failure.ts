import { SpeechError, type SpeechReason } from '../port.ts';
import { ThreadError } from '../threads.ts';

/** What a thread's fault means to who asked. An aborted signal's reason passes through. */
export function localFailure(
  error: unknown,
  reason: Extract<SpeechReason, 'STT_UNAVAILABLE' | 'TTS_UNAVAILABLE'>,
): unknown {
  if (!(error instanceof ThreadError)) return error;
  const { fault, message } = error;
  return new SpeechError(reason, {
    transient: fault !== 'failed',
    unanswered: fault === 'hung',
    cause: error,
    message,
  });
}
