import type { AppRouter } from '@parley/server/rpc/router';
import type { Reason } from '@parley/shared/reason';
import { createTRPCClient, createWSClient, httpBatchLink, TRPCClientError, wsLink } from '@trpc/client';
import superjson from 'superjson';

// The outside world's client: @trpc/client as it comes, with superjson as it comes.

export type SocketClient = Socket['client'];
export type HttpClient = ReturnType<typeof httpClient>;
export type Socket = ReturnType<typeof openSocket>;

/** Stock `wsLink`. Without parameters the connection carries none. */
export function openSocket(url: string, connectionParams?: Record<string, string>) {
  const ws = createWSClient({ url, ...(connectionParams && { connectionParams }), retryDelayMs: () => 50 });
  const client = createTRPCClient<AppRouter>({ links: [wsLink({ client: ws, transformer: superjson })] });
  return { client, ws, close: () => ws.close() };
}

/** Stock `httpBatchLink`. */
export function httpClient(url: string, headers: Record<string, string> = {}) {
  const link = httpBatchLink({ url: `${url}/trpc`, transformer: superjson, headers });
  return createTRPCClient<AppRouter>({ links: [link] });
}

export interface Failure {
  reason: Reason | undefined;
  retryable: boolean | undefined;
  message: string;
  details: Record<string, unknown> | undefined;
  /** All that the client was told. */
  shape: unknown;
}

/** How a call failed. @throws when it did not, or not by an answer of the server */
export async function failureOf(call: PromiseLike<unknown>): Promise<Failure> {
  try {
    await call;
  } catch (error) {
    return describe(error);
  }
  throw new Error('the call succeeded');
}

export function describe(error: unknown): Failure {
  if (!(error instanceof TRPCClientError)) throw error;
  const { data, message, shape } = error;
  return { reason: data?.reason, retryable: data?.retryable, message, details: data?.details, shape };
}

/** The reason that a call was refused with; `undefined` when it failed on the way. */
export async function reasonOf(call: PromiseLike<unknown>): Promise<Reason | undefined> {
  return (await failureOf(call)).reason;
}
