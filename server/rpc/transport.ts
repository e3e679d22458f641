import type { IncomingMessage } from 'node:http';
import type { ParleyError } from '@parley/shared/reason';
import {
  type AnyTRPCRouter,
  getTRPCErrorFromUnknown,
  getTRPCErrorShape,
  type inferRouterContext,
  type TRPCError,
  type TRPCErrorShape,
  type TRPCProcedureType,
} from '@trpc/server';
import { type ErrorContext, errorShapeFor } from './failure.ts';

/** What a context is made from, on any transport. */
export interface ContextRequest {
  req: IncomingMessage;
  transport: 'http' | 'sse' | 'websocket';
  /** From the first message of a WebSocket or the query of an SSE request; null elsewhere. */
  connectionParams: Readonly<Record<string, string | undefined>> | null;
  /** Aborted when the client is gone. */
  signal: AbortSignal;
}

/** One who wants to know at once when a credential ends. */
export interface CredentialListener {
  /** `valid()` has begun to answer with an error. */
  onInvalid(): void;
}

/** What transports read of a context: how long its credential lasts, and in which language its errors speak. */
export interface CallContext extends ErrorContext {
  /** Why the credential is no longer good; undefined while it is. Asked before every event: it must be cheap. */
  valid?(): ParleyError | undefined;
  /** Whom to tell once. One at a time, since a context is of one transport; undefined ends it. */
  listen?(listener: CredentialListener | undefined): void;
}

export interface CallFailure {
  error: TRPCError;
  type: TRPCProcedureType | 'unknown';
  path?: string | undefined;
  input?: unknown;
  ctx?: CallContext | undefined;
}

/** A router, and what each transport needs to serve it. */
export interface Serving<Router extends AnyTRPCRouter = AnyTRPCRouter> {
  router: Router;
  /** A WebSocket makes one context for all its calls; other transports make one a request. */
  createContext(request: ContextRequest): Promise<inferRouterContext<Router> & CallContext>;
  /** Told every error that a client is told. It must not throw; when it does, that is ignored. */
  onError?: ((failure: CallFailure) => void) | undefined;
}

/** Reports an error and gives the shape that the client gets. Never throws, whatever the formatter does. */
export function describeFailure(
  serving: Serving,
  cause: unknown,
  call: Omit<CallFailure, 'error'> = { type: 'unknown' },
): TRPCErrorShape {
  const error = getTRPCErrorFromUnknown(cause);
  reportFailure(serving, { ...call, error });
  try {
    return getTRPCErrorShape({
      config: serving.router._def._config,
      error,
      type: call.type,
      path: call.path,
      input: call.input,
      ctx: call.ctx,
    });
  } catch (broken) {
    reportFailure(serving, { ...call, error: getTRPCErrorFromUnknown(broken) });
    return errorShapeFor('INTERNAL', { path: call.path });
  }
}

export function reportFailure(serving: Serving, failure: CallFailure): void {
  try {
    serving.onError?.(failure);
  } catch {
    // A logger that fails must not take a connection down with it.
  }
}
