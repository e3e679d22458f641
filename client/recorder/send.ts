import type { Reason } from '@parley/shared/reason';
import type { SegmentReceipt } from '@parley/shared/voice';
import type { Parley } from '../connect.ts';
import { failureOf, ParleyFailure } from '../failure.ts';
import type { RecordingKey, Segment } from './store.ts';

/** What a recorder asks of the server. Each call may be made more than once. */
export interface VoiceCalls {
  recordingStarted(key: RecordingKey, signal: AbortSignal): Promise<unknown>;
  sendSegment(segment: Segment, signal: AbortSignal): Promise<SegmentReceipt>;
  cancelRecording(key: RecordingKey, signal: AbortSignal): Promise<unknown>;
}

export function voiceCalls({ trpc }: Pick<Parley, 'trpc'>): VoiceCalls {
  return {
    recordingStarted: (key, signal) => trpc.voice.recordingStarted.mutate(key, { signal }),
    sendSegment: (segment, signal) => trpc.voice.sendSegment.mutate(segment, { signal }),
    cancelRecording: (key, signal) => trpc.voice.cancelRecording.mutate(key, { signal }),
  };
}

/** Reasons for which the same can never be taken. */
const never: ReadonlySet<Reason> = new Set<Reason>([
  'NOT_FOUND',
  'INVALID_INPUT',
  'INVALID_MESSAGE',
  'PAYLOAD_TOO_LARGE',
  'UNSUPPORTED_FORMAT',
  'SEGMENT_CONFLICT',
  // Its recording was cancelled, here or elsewhere.
  'PROTOCOL_ORDER',
  'CONVERSATION_ENDED',
  'CONVERSATION_DELETED',
]);
/** Reasons that may pass although nothing says so, and how often in a row they are met before they count. */
const doubtful: ReadonlySet<Reason> = new Set<Reason>(['UNAUTHENTICATED', 'INTERNAL']);
const mostDoubtful = 5;
/** The longest wait that a server may ask for, in milliseconds. */
const mostRetryAfterMs = 60_000;

export function isNever({ reason }: ParleyFailure): boolean {
  return never.has(reason);
}

/**
 * Judges the failures of one call, one after the other: true when it is not sent again by itself. Sound that could not be
 * understood stays with the server.
 */
export function failures(): (failure: ParleyFailure) => boolean {
  let doubts = 0;
  return ({ reason, retryable }) => {
    doubts = doubtful.has(reason) ? doubts + 1 : 0;
    return doubts > 0 ? doubts >= mostDoubtful : !retryable || reason === 'TRANSCRIPTION_FAILED';
  };
}

/** Milliseconds that the server asks to wait. */
export function retryAfter({ details }: ParleyFailure): number {
  const ms = details?.retryAfterMs;
  return typeof ms === 'number' && ms > 0 ? Math.min(ms, mostRetryAfterMs) : 0;
}

/** One try: what the server says, or why it did not. Never rejects, and takes `mostMs` at most. */
export function tryOnce<Answer>(
  call: (signal: AbortSignal) => Promise<Answer>,
  mostMs: number,
  closed: AbortSignal,
): Promise<Answer | ParleyFailure> {
  return new Promise((resolve) => {
    const late = new AbortController();
    const settle = (answer: Answer | ParleyFailure): void => {
      clearTimeout(timer);
      closed.removeEventListener('abort', giveUp);
      resolve(answer);
    };
    const giveUp = (): void => {
      settle(new ParleyFailure('UNAVAILABLE', 'The server did not answer.'));
      late.abort();
    };
    const timer = setTimeout(giveUp, mostMs);
    closed.addEventListener('abort', giveUp);
    call(late.signal).then(settle, (error: unknown) => settle(failureOf(error)));
  });
}
