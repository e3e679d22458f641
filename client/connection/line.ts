import type { AppRouter } from '@parley/server/rpc/router';
import type { TRPCClient } from '#trpc';
import { failureOf, isLost, ParleyFailure } from '../failure.ts';
import { backoff, pause } from './backoff.ts';
import type { Connection } from './link.ts';

/** How long one try of a call may take before it counts as lost, in milliseconds, and how many tries there are. */
const tryMs = 20_000;
const mostTries = 8;
/** The longest wait that a server may ask for. */
const mostRetryAfterMs = 30_000;

/** What everything in a client works with: typed calls, and the connection under them. */
export class Line {
  readonly trpc: TRPCClient<AppRouter>;
  readonly connection: Connection;
  /** Whether asking for the token again can help. */
  readonly isRenewable: boolean;
  readonly #closed = new AbortController();

  constructor(trpc: TRPCClient<AppRouter>, connection: Connection, isRenewable: boolean) {
    this.trpc = trpc;
    this.connection = connection;
    this.isRenewable = isRenewable;
  }

  /** Aborted when the client is closed. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.connection.close();
  }

  /**
   * Makes a call that may be made more than once: again after a loss on the way and after reasons that pass by themselves,
   * and once with a fresh token.
   * @param options.tryMs How long one try may take, in milliseconds; 20 s by default.
   * @throws ParleyFailure the last try's, or at once one that trying again cannot change; what `signal` was aborted with
   */
  async persist<T>(
    call: (signal: AbortSignal) => Promise<T>,
    signal?: AbortSignal,
    options: { tryMs?: number } = {},
  ): Promise<T> {
    let isRenewed = false;
    for (let tries = 1; ; tries++) {
      const { generation } = this.connection;
      try {
        return await this.#try(call, signal, options.tryMs);
      } catch (cause) {
        if (signal?.aborted) throw signal.reason;
        const failure = failureOf(cause);
        if (this.closed.aborted || tries >= mostTries) throw failure;
        if (failure.reason === 'UNAUTHENTICATED' && this.isRenewable && !isRenewed) {
          isRenewed = true;
          this.connection.renew(generation);
          continue;
        }
        if (!passes(failure)) throw failure;
        await pause(Math.max(backoff(tries - 1), retryAfter(failure)), signal ?? this.closed);
      }
    }
  }

  /** Makes a call that must not be made again by itself. @throws ParleyFailure; what `signal` was aborted with */
  async once<T>(call: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    try {
      return await this.#try(call, signal);
    } catch (cause) {
      if (signal?.aborted) throw signal.reason;
      throw failureOf(cause);
    }
  }

  #try<T>(
    call: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal | undefined,
    mostMs: number = tryMs,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const controller = new AbortController();
      const give = (error: unknown): void => {
        settle();
        reject(error);
        controller.abort();
      };
      const onAbort = (): void => give(signal?.reason);
      const onClose = (): void => give(new ParleyFailure('UNAVAILABLE', 'The client was closed.'));
      const timer = setTimeout(() => give(new ParleyFailure('UNAVAILABLE', 'The server did not answer.')), mostMs);
      const settle = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        this.closed.removeEventListener('abort', onClose);
      };
      if (signal?.aborted) return onAbort();
      if (this.closed.aborted) return onClose();
      signal?.addEventListener('abort', onAbort);
      this.closed.addEventListener('abort', onClose);
      call(controller.signal).then(
        (value) => {
          settle();
          resolve(value);
        },
        (error: unknown) => {
          settle();
          reject(error);
        },
      );
    });
  }
}

/** Whether a call may succeed by itself a little later. */
function passes(failure: ParleyFailure): boolean {
  const { reason } = failure;
  return isLost(failure) || reason === 'UNAVAILABLE' || reason === 'DRAINING' || reason === 'RATE_LIMITED';
}

function retryAfter({ details }: ParleyFailure): number {
  const ms = details?.retryAfterMs;
  return typeof ms === 'number' && ms > 0 ? Math.min(ms, mostRetryAfterMs) : 0;
}
