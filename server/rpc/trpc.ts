import { failureReason } from '@parley/db/failure';
import { ParleyError } from '@parley/shared/reason';
import { serverTransformer } from '@parley/shared/wire';
import { initTRPC, TRPCError } from '@trpc/server';
import type { Context } from './context.ts';
import { errorFormatter, toTRPCError } from './failure.ts';

/** Milliseconds. A stream that is silent for longer than `reconnectMs` is taken for dead by the client. */
export const heartbeat = { pingMs: 10_000, reconnectMs: 25_000 };

const t = initTRPC.context<Context>().create({
  transformer: serverTransformer,
  isDev: false,
  errorFormatter: ({ error, path, ctx }) =>
    errorFormatter({
      error,
      path,
      ctx: ctx && { locale: ctx.session.locale, traceId: ctx.session.traceId },
    }),
  sse: {
    ping: { enabled: true, intervalMs: heartbeat.pingMs },
    client: { reconnectAfterInactivityMs: heartbeat.reconnectMs },
  },
});

export const { router, middleware, createCallerFactory } = t;

/** Any error leaves as one with a reason: what the database says is put into the contract's words. */
function withReason(error: TRPCError): TRPCError {
  const { cause } = error;
  if (!cause || cause instanceof ParleyError || cause instanceof TRPCError) return toTRPCError(cause ?? error);
  const reason = failureReason(cause);
  return reason === undefined ? error : toTRPCError(new ParleyError(reason, { cause }));
}

const explained = t.middleware(async ({ next }) => {
  const result = await next();
  if (!result.ok) throw withReason(result.error);
  return result;
});

/** A procedure that needs no credential. */
export const open = t.procedure.use(explained);
