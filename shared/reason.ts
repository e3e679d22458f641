/** Every reason an error can carry. The list is closed: a new failure is mapped onto one of these. */
export const reasons = [
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'NOT_APPROVED',
  'SCOPE_MISSING',
  'NOT_FOUND',
  'VERSION_UNSUPPORTED',
  'INVALID_INPUT',
  'INVALID_MESSAGE',
  'PAYLOAD_TOO_LARGE',
  'UNSUPPORTED_FORMAT',
  'PROTOCOL_ORDER',
  'TURN_IN_PROGRESS',
  'IDEMPOTENCY_CONFLICT',
  'SEGMENT_CONFLICT',
  'SEGMENTS_MISSING',
  'NO_SPEECH',
  'TRANSCRIPTION_FAILED',
  'STT_UNAVAILABLE',
  'TTS_UNAVAILABLE',
  'MODEL_UNAVAILABLE',
  'MODEL_INCOMPLETE',
  'MODEL_TIMEOUT',
  'OWNER_LOST',
  'CONVERSATION_ENDED',
  'CONVERSATION_DELETED',
  'QUOTA_EXCEEDED',
  'RATE_LIMITED',
  'TOO_MANY_SUBSCRIPTIONS',
  'SLOW_CONSUMER',
  'DRAINING',
  'UNAVAILABLE',
  'INTERNAL',
] as const;

export type Reason = (typeof reasons)[number];

const known: ReadonlySet<string> = new Set(reasons);

export function isReason(value: unknown): value is Reason {
  return typeof value === 'string' && known.has(value);
}

const retryableReasons: ReadonlySet<Reason> = new Set<Reason>([
  'TURN_IN_PROGRESS',
  'SEGMENTS_MISSING',
  'TRANSCRIPTION_FAILED',
  'STT_UNAVAILABLE',
  'TTS_UNAVAILABLE',
  'MODEL_UNAVAILABLE',
  'MODEL_INCOMPLETE',
  'MODEL_TIMEOUT',
  'OWNER_LOST',
  'RATE_LIMITED',
  'TOO_MANY_SUBSCRIPTIONS',
  'SLOW_CONSUMER',
  'DRAINING',
  'UNAVAILABLE',
]);

/** Whether the same call, unchanged, can succeed later or elsewhere. */
export function isRetryable(reason: Reason): boolean {
  return retryableReasons.has(reason);
}

/** What every error carries in `data`, beside tRPC's own fields. */
export interface ErrorData {
  reason: Reason;
  retryable: boolean;
  traceId: string;
  details?: Record<string, unknown>;
}

/** An error with a reason out of the closed list: the only kind that leaves Parley. */
export class ParleyError extends Error {
  override readonly name = 'ParleyError';
  readonly reason: Reason;
  readonly details: Record<string, unknown> | undefined;
  constructor(reason: Reason, options: { details?: Record<string, unknown>; cause?: unknown; message?: string } = {}) {
    super(options.message ?? reason, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
    this.details = options.details;
  }
  get retryable(): boolean {
    return isRetryable(this.reason);
  }
}
