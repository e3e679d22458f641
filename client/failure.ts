import { isReason, isRetryable, ParleyError, type Reason } from '@parley/shared/reason';
import { TRPCClientError } from '#trpc';

/** Every error that the client gives: what the server said, or that it could not be reached (`UNAVAILABLE`). */
export class ParleyFailure extends Error {
  override readonly name = 'ParleyFailure';
  readonly reason: Reason;
  /** Whether the same call, unchanged, can succeed later. */
  readonly retryable: boolean;
  /** Names the call in the server's log. Absent when no answer came. */
  readonly traceId: string | undefined;
  readonly details: Record<string, unknown> | undefined;

  constructor(
    reason: Reason,
    message: string,
    options: {
      retryable?: boolean;
      traceId?: string | undefined;
      details?: Record<string, unknown> | undefined;
      cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
    this.retryable = options.retryable ?? isRetryable(reason);
    this.traceId = options.traceId;
    this.details = options.details;
  }
}

/** The failure that any thrown value stands for. What did not come from the server is `UNAVAILABLE`: the way there is broken. */
export function failureOf(error: unknown): ParleyFailure {
  if (error instanceof ParleyFailure) return error;
  if (error instanceof ParleyError) {
    const { reason, message, details } = error;
    return new ParleyFailure(reason, message, { details, cause: error });
  }
  const data: unknown = error instanceof TRPCClientError ? error.data : undefined;
  const message = error instanceof Error && error.message !== '' ? error.message : 'The server cannot be reached.';
  if (!isRecord(data) || !isReason(data.reason)) return new ParleyFailure('UNAVAILABLE', message, { cause: error });
  return new ParleyFailure(data.reason, message, {
    retryable: data.retryable === true,
    traceId: typeof data.traceId === 'string' ? data.traceId : undefined,
    details: isRecord(data.details) ? data.details : undefined,
    cause: error,
  });
}

/** Whether the failure is that of the way to the server, so that nobody knows what became of the call. */
export function isLost(failure: ParleyFailure): boolean {
  return failure.reason === 'UNAVAILABLE' && failure.traceId === undefined;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
