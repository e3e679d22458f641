import { APIConnectionError, APIError } from 'openai';
import { ModelError } from '../port.ts';
import type { Chunk } from './chunk.ts';

/** A wait that a service asks for is believed up to an hour. */
const longestRetryAfterMs = 3_600_000;

/** The service was reached but its answer broke off, or was none. */
export function incomplete(message: string, cause?: unknown): ModelError {
  return new ModelError('MODEL_INCOMPLETE', { transient: true, message, cause });
}

/** A request that was not answered with a stream, as the reason it stands for. Messages never carry the service's text. */
export function requestFailure(error: unknown): ModelError {
  if (error instanceof APIConnectionError) {
    return new ModelError('MODEL_UNAVAILABLE', {
      transient: true,
      cause: error,
      message: 'no connection to the model',
    });
  }
  if (error instanceof APIError && error.status !== undefined) {
    return new ModelError('MODEL_UNAVAILABLE', {
      transient: isTransient(error.status, String(error.code ?? ''), String(error.type ?? '')),
      retryAfterMs: retryAfter(error.headers ?? new Headers(), Date.now()),
      cause: error,
      message: `the model's service answered ${error.status}`,
    });
  }
  return new ModelError('MODEL_UNAVAILABLE', {
    transient: false,
    cause: error,
    message: 'the model could not be asked',
  });
}

/** An error that the service reported in the stream; after the first text the answer is incomplete. */
export function reportedFailure({ code, type, status }: NonNullable<Chunk['error']>, hasBegun: boolean): ModelError {
  return new ModelError(hasBegun ? 'MODEL_INCOMPLETE' : 'MODEL_UNAVAILABLE', {
    transient: isTransient(status ?? 500, code, type),
    message: `the model's service reported an error in its answer`,
  });
}

const lasting =
  /invalid_request|authentication|permission|not_found|insufficient_quota|billing|context_length|invalid_api_key|content_policy/;

function isTransient(status: number, code: string, type: string): boolean {
  if (lasting.test(code) || lasting.test(type)) return false;
  return status >= 500 || status === 429 || status === 408 || status === 409 || status === 425;
}

/** Milliseconds from `Retry-After` (seconds or a date, RFC 9110 10.2.3) or `retry-after-ms`. */
export function retryAfter(headers: Headers, now: number): number | undefined {
  const inMs = headers.get('retry-after-ms');
  const value = inMs ?? headers.get('retry-after');
  if (value === null || value.trim() === '') return undefined;
  const number = Number(value);
  const ms = Number.isNaN(number) ? Date.parse(value) - now : number * (inMs === null ? 1_000 : 1);
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(Math.ceil(ms), 0), longestRetryAfterMs);
}
