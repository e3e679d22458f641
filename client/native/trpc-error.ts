import { isRecord } from './record.ts';

interface Result {
  error: Record<string, unknown>;
}

/** What a call throws, by the interface of tRPC's: `data` is what the server said, undefined when it said nothing. */
export class TRPCClientError extends Error {
  override readonly name = 'TRPCClientError';
  readonly shape: Record<string, unknown> | undefined;
  readonly data: unknown;

  constructor(message: string, { result, cause }: { result?: Result; cause?: unknown } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.shape = result?.error;
    this.data = result?.error.data;
  }

  static from(cause: unknown): TRPCClientError {
    if (cause instanceof TRPCClientError) return cause;
    if (isRecord(cause)) {
      const { error, message } = cause;
      if (isRecord(error) && typeof error.code === 'number' && typeof error.message === 'string')
        return new TRPCClientError(error.message, { result: { error } });
      if (typeof message === 'string') return new TRPCClientError(message, { cause });
    }
    return new TRPCClientError(typeof cause === 'string' ? cause : 'Unknown error', { cause });
  }
}
