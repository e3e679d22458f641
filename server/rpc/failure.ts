import { randomBytes } from 'node:crypto';
import { explain, type Locale } from '@parley/shared/explain';
import { type ErrorData, isRetryable, ParleyError, type Reason } from '@parley/shared/reason';
import { getTRPCErrorFromUnknown, type TRPC_ERROR_CODE_KEY, TRPCError } from '@trpc/server';
import { getHTTPStatusCodeFromError } from '@trpc/server/http';
import { type TRPC_ERROR_CODE_NUMBER, TRPC_ERROR_CODES_BY_KEY } from '@trpc/server/rpc';

/** The tRPC code, and so the HTTP status, of each reason. */
const codes: Record<Reason, TRPC_ERROR_CODE_KEY> = {
  UNAUTHENTICATED: 'UNAUTHORIZED',
  FORBIDDEN: 'FORBIDDEN',
  NOT_APPROVED: 'FORBIDDEN',
  SCOPE_MISSING: 'FORBIDDEN',
  NOT_FOUND: 'NOT_FOUND',
  VERSION_UNSUPPORTED: 'BAD_REQUEST',
  INVALID_INPUT: 'BAD_REQUEST',
  INVALID_MESSAGE: 'BAD_REQUEST',
  PAYLOAD_TOO_LARGE: 'PAYLOAD_TOO_LARGE',
  UNSUPPORTED_FORMAT: 'UNSUPPORTED_MEDIA_TYPE',
  PROTOCOL_ORDER: 'PRECONDITION_FAILED',
  TURN_IN_PROGRESS: 'CONFLICT',
  IDEMPOTENCY_CONFLICT: 'CONFLICT',
  SEGMENT_CONFLICT: 'CONFLICT',
  SEGMENTS_MISSING: 'CONFLICT',
  NO_SPEECH: 'UNPROCESSABLE_CONTENT',
  TRANSCRIPTION_FAILED: 'UNPROCESSABLE_CONTENT',
  STT_UNAVAILABLE: 'SERVICE_UNAVAILABLE',
  TTS_UNAVAILABLE: 'SERVICE_UNAVAILABLE',
  MODEL_UNAVAILABLE: 'SERVICE_UNAVAILABLE',
  MODEL_INCOMPLETE: 'BAD_GATEWAY',
  MODEL_TIMEOUT: 'GATEWAY_TIMEOUT',
  OWNER_LOST: 'SERVICE_UNAVAILABLE',
  CONVERSATION_ENDED: 'PRECONDITION_FAILED',
  CONVERSATION_DELETED: 'PRECONDITION_FAILED',
  QUOTA_EXCEEDED: 'TOO_MANY_REQUESTS',
  RATE_LIMITED: 'TOO_MANY_REQUESTS',
  TOO_MANY_SUBSCRIPTIONS: 'TOO_MANY_REQUESTS',
  SLOW_CONSUMER: 'TOO_MANY_REQUESTS',
  DRAINING: 'SERVICE_UNAVAILABLE',
  UNAVAILABLE: 'SERVICE_UNAVAILABLE',
  INTERNAL: 'INTERNAL_SERVER_ERROR',
};

/** What tRPC's own errors mean. A code that is not here is INTERNAL. */
const reasonsOfCodes: Partial<Record<TRPC_ERROR_CODE_KEY, Reason>> = {
  PARSE_ERROR: 'INVALID_MESSAGE',
  BAD_REQUEST: 'INVALID_INPUT',
  UNPROCESSABLE_CONTENT: 'INVALID_MESSAGE',
  UNAUTHORIZED: 'UNAUTHENTICATED',
  FORBIDDEN: 'FORBIDDEN',
  NOT_FOUND: 'NOT_FOUND',
  METHOD_NOT_SUPPORTED: 'INVALID_INPUT',
  PAYLOAD_TOO_LARGE: 'PAYLOAD_TOO_LARGE',
  UNSUPPORTED_MEDIA_TYPE: 'UNSUPPORTED_FORMAT',
  TOO_MANY_REQUESTS: 'RATE_LIMITED',
  SERVICE_UNAVAILABLE: 'UNAVAILABLE',
};

/** The shape of every error that leaves Parley. */
export interface ErrorShape {
  message: string;
  code: TRPC_ERROR_CODE_NUMBER;
  data: ErrorData & { code: TRPC_ERROR_CODE_KEY; httpStatus: number; path?: string };
}

/** What an error's text and trace are taken from; both are optional because an error can come before its context. */
export interface ErrorContext {
  locale?: Locale;
  traceId?: string;
}

/** Any thrown value as a tRPC error whose code, and so HTTP status, says its reason. */
export function toTRPCError(error: unknown): TRPCError {
  if (error instanceof ParleyError)
    return new TRPCError({ code: codes[error.reason], message: error.message, cause: error });
  return getTRPCErrorFromUnknown(error);
}

export function reasonOf(error: TRPCError): Reason {
  return failureOf(error).reason;
}

/** The router's error formatter: reason, trace and a sentence for a person; never a stack, in development neither. */
export function errorFormatter(options: {
  error: TRPCError;
  path?: string | undefined;
  ctx?: ErrorContext | undefined;
}): ErrorShape {
  const { reason, details, code } = failureOf(options.error);
  return shape(reason, code, { ...options.ctx, path: options.path, details });
}

/** The same shape for what fails before a router is reached: broken messages, bodies too large, limits of a connection. */
export function errorShapeFor(
  reason: Reason,
  options: ErrorContext & { path?: string | undefined; details?: Record<string, unknown> | undefined } = {},
): ErrorShape {
  return shape(reason, codes[reason], options);
}

function shape(
  reason: Reason,
  code: TRPC_ERROR_CODE_KEY,
  options: ErrorContext & { path?: string | undefined; details?: Record<string, unknown> | undefined },
): ErrorShape {
  return {
    message: explain(reason, options.locale ?? 'en'),
    code: TRPC_ERROR_CODES_BY_KEY[code],
    data: {
      code,
      httpStatus: getHTTPStatusCodeFromError(new TRPCError({ code })),
      ...(options.path === undefined ? undefined : { path: options.path }),
      reason,
      retryable: isRetryable(reason),
      traceId: options.traceId ?? randomBytes(16).toString('hex'),
      ...(options.details === undefined ? undefined : { details: options.details }),
    },
  };
}

interface Failure {
  reason: Reason;
  code: TRPC_ERROR_CODE_KEY;
  details: Record<string, unknown> | undefined;
}

function failureOf(error: TRPCError): Failure {
  const { cause, code } = error;
  if (cause instanceof TRPCError) return failureOf(cause);
  if (cause instanceof ParleyError) {
    // What could not be read keeps tRPC's code for that, which stock clients know.
    const kept = code === 'PARSE_ERROR' ? code : codes[cause.reason];
    return { reason: cause.reason, code: kept, details: cause.details };
  }
  if (code === 'BAD_REQUEST') {
    if (cause instanceof SyntaxError) return { reason: 'INVALID_MESSAGE', code, details: undefined };
    const issues = issuesOf(cause);
    return { reason: 'INVALID_INPUT', code, details: issues && { issues } };
  }
  return { reason: reasonsOfCodes[code] ?? 'INTERNAL', code, details: undefined };
}

const mostIssues = 10;
const longestText = 200;

/** What a schema found wrong, `path` joined with dots. Bounded: an input can be wrong in thousands of places. */
function issuesOf(cause: Error | undefined): { path: string; message: string }[] | undefined {
  if (!cause || !('issues' in cause) || !Array.isArray(cause.issues)) return undefined;
  return cause.issues.slice(0, mostIssues).map((issue: unknown) => {
    const fields = typeof issue === 'object' && issue !== null ? issue : {};
    const path = 'path' in fields && Array.isArray(fields.path) ? fields.path.map(String).join('.') : '';
    const message = 'message' in fields && typeof fields.message === 'string' ? fields.message : '';
    return { path: path.slice(0, longestText), message: message.slice(0, longestText) };
  });
}
