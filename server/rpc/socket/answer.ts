import { callTRPCProcedure, TRPCError } from '@trpc/server';
import { isAsyncIterable } from '../abort.ts';
import type { Call, Line } from './line.ts';

/** Answers a query or a mutation. Never rejects. */
export async function answer(line: Line, call: Call, signal: AbortSignal): Promise<void> {
  try {
    const opened = await line.context;
    if (!opened.ok) throw opened.error;
    const { path, type, input, batchIndex } = call;
    const data: unknown = await callTRPCProcedure({
      router: line.serving.router,
      path,
      getRawInput: async () => input,
      ctx: opened.ctx,
      type,
      signal,
      batchIndex,
    });
    if (isAsyncIterable(data)) {
      throw new TRPCError({
        code: 'UNSUPPORTED_MEDIA_TYPE',
        message: `Cannot return an async iterable from a ${type} procedure with WebSockets`,
      });
    }
    line.reply(call, { type: 'data', data });
  } catch (cause) {
    line.fail(call, cause);
  }
}
