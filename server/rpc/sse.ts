import type { IncomingMessage, ServerResponse } from 'node:http';
import { ParleyError } from '@parley/shared/reason';
import { callTRPCProcedure, TRPCError } from '@trpc/server';
import { parseConnectionParamsFromString } from '@trpc/server/http';
import { isAbortError, isAsyncIterable, stopped } from './abort.ts';
import { toTRPCError } from './failure.ts';
import { pump } from './pump.ts';
import { PushSource } from './push.ts';
import { Chunks, chunkOf } from './sse-chunk.ts';
import { lastEventIdOf, readInput } from './sse-input.ts';
import { SseStream } from './sse-stream.ts';
import { type CallContext, type ContextRequest, describeFailure, reportFailure, type Serving } from './transport.ts';

export interface SseOptions {
  /** Milliseconds between two looks at whether a stream has been silent and needs a ping. */
  pingMs: number;
  /** What the client is told: silence after which it connects again. More than twice `pingMs`. */
  reconnectAfterInactivityMs: number;
  /** Milliseconds after which a stream ends, to be resumed by a new request. */
  maxDurationMs?: number | undefined;
}

export const defaultSse: SseOptions = { pingMs: 10_000, reconnectAfterInactivityMs: 30_000 };

/** All open streams, with one timer for their pings that runs only while there are any. */
export class SseStreams {
  readonly #streams = new Set<SseStream>();
  readonly #options: SseOptions;
  readonly #serving: Serving;
  #timer: NodeJS.Timeout | undefined;

  constructor(serving: Serving, options: Partial<SseOptions> = {}) {
    this.#serving = serving;
    this.#options = { ...defaultSse, ...options };
    if (this.#options.reconnectAfterInactivityMs <= 2 * this.#options.pingMs)
      throw new RangeError('sse.reconnectAfterInactivityMs must be more than twice sse.pingMs');
  }

  get size(): number {
    return this.#streams.size;
  }

  /** Ends every stream so that its client connects again, to wherever it is then sent, and resumes. */
  leave(): void {
    for (const stream of this.#streams) stream.leave();
  }

  /**
   * Serves one subscription. As in tRPC's own producer, a request that cannot be read is answered in JSON with its status,
   * while the failure of a context or a procedure is an event of the stream, since an EventSource cannot read a status.
   * @throws TRPCError before anything was sent
   */
  async serve(req: IncomingMessage, res: ServerResponse, path: string, url: URL): Promise<void> {
    const params = url.searchParams.get('connectionParams');
    const request: Request = {
      req,
      path,
      url,
      connectionParams: params === null ? null : parseConnectionParamsFromString(params),
      controller: new AbortController(),
      input: undefined,
      ctx: undefined,
    };
    res.once('close', () => request.controller.abort(stopped));
    const started = await start(this.#serving, request);
    if (request.controller.signal.aborted) {
      if ('source' in started && !(started.source instanceof PushSource))
        await started.source[Symbol.asyncIterator]().return?.();
      return;
    }
    const stream = this.#open(request, res);
    if ('failure' in started) stream.end(started.failure);
    else void run(this.#serving, request, started.source, stream);
  }

  #open(request: Request, res: ServerResponse): SseStream {
    const { controller, ctx } = request;
    res.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
      connection: 'keep-alive',
      vary: 'trpc-accept, accept',
    });
    res.flushHeaders();
    const stream = new SseStream(res, controller, ctx, (cause) => describe(this.#serving, request, cause));
    this.#streams.add(stream);
    const { pingMs, maxDurationMs, reconnectAfterInactivityMs } = this.#options;
    this.#timer ??= setInterval(() => this.#sweep(), Math.min(pingMs, maxDurationMs ?? pingMs)).unref();
    ctx?.listen?.({ onInvalid: () => stream.end(ctx.valid?.() ?? new ParleyError('UNAUTHENTICATED')) });
    res.once('close', () => {
      ctx?.listen?.(undefined);
      stream.closed();
      this.#streams.delete(stream);
      if (this.#streams.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    });
    stream.write(chunkOf({ event: 'connected', data: JSON.stringify({ reconnectAfterInactivityMs }) }));
    return stream;
  }

  #sweep(): void {
    const { maxDurationMs } = this.#options;
    const now = performance.now();
    for (const stream of this.#streams) {
      if (maxDurationMs !== undefined && now - stream.born >= maxDurationMs) stream.leave();
      else stream.ping();
    }
  }
}

interface Request {
  readonly req: IncomingMessage;
  readonly path: string;
  readonly url: URL;
  readonly connectionParams: ContextRequest['connectionParams'];
  /** Its signal is the procedure's: aborted when the client is gone or the stream is over. */
  readonly controller: AbortController;
  /** Known as soon as they have been read and made: errors that come later are told about them. */
  input: unknown;
  ctx: CallContext | undefined;
}

async function start(
  serving: Serving,
  request: Request,
): Promise<{ source: AsyncIterable<unknown> } | { failure: TRPCError }> {
  const { req, path, url, connectionParams } = request;
  const { signal } = request.controller;
  try {
    const ctx: CallContext = await serving.createContext({ req, transport: 'sse', connectionParams, signal });
    request.ctx = ctx;
    const source: unknown = await callTRPCProcedure({
      router: serving.router,
      path,
      getRawInput: async () => {
        request.input = readInput(serving, req, url);
        return request.input;
      },
      ctx,
      type: 'subscription',
      signal,
      batchIndex: 0,
    });
    if (isAsyncIterable(source)) return { source };
    const message = `Subscription ${path} did not return an AsyncIterable`;
    return { failure: new TRPCError({ code: 'INTERNAL_SERVER_ERROR', message }) };
  } catch (cause) {
    return { failure: toTRPCError(cause) };
  }
}

/** Never rejects. */
async function run(
  serving: Serving,
  request: Request,
  source: AsyncIterable<unknown>,
  stream: SseStream,
): Promise<void> {
  const { ctx, controller, path, input } = request;
  if (source instanceof PushSource) {
    try {
      source.start(stream, controller.signal);
    } catch (cause) {
      stream.end(toTRPCError(cause));
    }
    return;
  }
  const { serialize } = serving.router._def._config.transformer.output;
  const chunks = new Chunks(lastEventIdOf(request.req, request.url));
  const outcome = await pump(source, controller, async (value) => {
    await stream.ready();
    const invalid = ctx?.valid?.();
    if (invalid) throw invalid;
    for (const chunk of chunks.of(value, (data) => JSON.stringify(serialize(data)))) stream.write(chunk);
  });
  if (outcome.cleanup !== undefined)
    reportFailure(serving, { error: toTRPCError(outcome.cleanup), type: 'subscription', path, input, ctx });
  if (outcome.failure === undefined) stream.end();
  else if (isAbortError(outcome.failure)) stream.leave();
  else stream.end(toTRPCError(outcome.failure));
}

function describe(serving: Serving, request: Request, cause: unknown): string {
  const { path, input, ctx } = request;
  const shape = describeFailure(serving, cause, { type: 'subscription', path, input, ctx });
  return JSON.stringify(serving.router._def._config.transformer.output.serialize(shape));
}
