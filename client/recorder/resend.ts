import type { EventOf } from '@parley/shared/event';
import { ParleyFailure } from '../failure.ts';
import type { SegmentQueue } from './queue.ts';

/** A recording that became no message, as `turn.failed` tells of it, or the outcome of its turn. */
export type FailedRecording = Pick<EventOf<'turn.failed'>, 'voiceSessionId' | 'details'>;

/** Whether what the server needs of it is still here. */
export function canResend(queue: SegmentQueue, conversationId: string, failed: FailedRecording): boolean {
  const { voiceSessionId } = failed;
  return voiceSessionId !== undefined && queue.holds({ conversationId, voiceSessionId }, wantedOf(failed));
}

/**
 * Sends what was not understood or has not come once more, else all of it. Resolves when the server has it, with the turn that
 * the recording becomes now. @throws ParleyFailure NOT_FOUND when it is not here any more; what cannot be sent
 */
export async function resend(
  queue: SegmentQueue,
  conversationId: string,
  failed: FailedRecording,
): Promise<{ turnId: string }> {
  const { voiceSessionId } = failed;
  if (voiceSessionId === undefined || !canResend(queue, conversationId, failed))
    throw new ParleyFailure('NOT_FOUND', 'The recording is not here any more.');
  const key = { conversationId, voiceSessionId };
  queue.resend(key, wantedOf(failed));
  return await queue.finished(key);
}

/** The segments that the server names. */
function wantedOf({ details }: FailedRecording): number[] | undefined {
  const named = details?.segments ?? details?.missing;
  if (!Array.isArray(named)) return undefined;
  return named.filter((index) => typeof index === 'number');
}
