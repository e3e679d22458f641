import type { IncomingMessage } from 'node:http';
import { limits } from '@parley/shared/limits';
import { ParleyError, type Reason } from '@parley/shared/reason';
import { type AnyTRPCRouter, TRPCError, transformTRPCResponse } from '@trpc/server';
import { fastifyRequestHandler } from '@trpc/server/adapters/fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { bodyLimitOf } from './audio.ts';
import { toTRPCError } from './failure.ts';
import { linger } from './linger.ts';
import { type SseOptions, SseStreams } from './sse.ts';
import { type CallContext, describeFailure, type Serving } from './transport.ts';

export interface HttpOptions<Router extends AnyTRPCRouter> extends Serving<Router> {
  sse?: Partial<SseOptions> | undefined;
}

export interface Http {
  /** SSE streams that are open now. */
  readonly streams: number;
  /** Ends every SSE stream so that its client connects again and resumes: for draining. */
  leaveStreams(): void;
}

/** Serves a router under `/trpc`: queries and mutations through tRPC's own handler, subscriptions as SSE. */
export async function registerHttp<Router extends AnyTRPCRouter>(
  app: FastifyInstance,
  options: HttpOptions<Router>,
): Promise<Http> {
  const serving: Serving = { router: options.router, createContext: options.createContext, onError: options.onError };
  const streams = new SseStreams(serving, options.sse);
  await app.register(
    async (scope) => {
      readBodies(scope);
      scope.setErrorHandler((error, request, reply) => {
        linger(request.raw);
        // Fastify would close it on somebody who is still sending.
        reply.removeHeader('connection');
        answerFailure(serving, error, reply);
      });
      scope.all('/*', async (request, reply) => {
        if (isSubscription(serving, request)) await subscribe(streams, request, reply);
        else await call(serving, request, reply);
        return reply;
      });
    },
    { prefix: '/trpc' },
  );
  return {
    get streams() {
      return streams.size;
    },
    leaveStreams: () => streams.leave(),
  };
}

async function call(serving: Serving, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const path = pathOf(request);
  await fastifyRequestHandler({
    router: serving.router,
    req: request,
    res: reply,
    path,
    maxBatchSize: limits.batchCalls,
    maxBodySize: bodyLimitOf(path),
    // No credential is read from a URL here: connection parameters are for SSE alone.
    createContext: async ({ req, info }): Promise<CallContext> => {
      // A path spelled in another way, which tRPC reads as a subscription's. Its own stream would outlive the credential.
      if (info.type === 'subscription') throw toTRPCError(new ParleyError('NOT_FOUND'));
      return serving.createContext({ req: req.raw, transport: 'http', connectionParams: null, signal: info.signal });
    },
    responseMeta: () => ({ headers: new Headers({ 'cache-control': 'no-store' }) }),
    onError: ({ error, type, path: failed, input, ctx }) => {
      const context: CallContext | undefined = ctx;
      serving.onError?.({ error, type, path: failed, input, ctx: context });
    },
  });
  // What a procedure has left of its body, or tRPC refused of it.
  linger(request.raw);
}

async function subscribe(streams: SseStreams, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const url = new URL(request.url, 'http://localhost');
  for (const [name, value] of Object.entries(reply.getHeaders()))
    if (value !== undefined) reply.raw.setHeader(name, value);
  await streams.serve(request.raw, reply.raw, pathOf(request), url);
  reply.hijack();
}

/** Parsers that leave the parsing to tRPC, and count every body against the limit of its procedures. */
function readBodies(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  scope.addHook('onRequest', async (request) => {
    const size = Number(request.headers['content-length'] ?? 0);
    if (size > bodyLimitOf(pathOf(request))) throw tooLarge(request);
  });
  scope.addContentTypeParser('application/json', readText);
  scope.addContentTypeParser(['multipart/form-data', 'application/octet-stream'], passOn);
  // tRPC answers any other type, so that its error is the one that clients know.
  scope.addContentTypeParser('*', async () => undefined);
}

async function passOn(_request: FastifyRequest, payload: IncomingMessage): Promise<IncomingMessage> {
  return payload;
}

async function readText(request: FastifyRequest, payload: IncomingMessage): Promise<string> {
  const most = bodyLimitOf(pathOf(request));
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of payload.iterator({ destroyOnReturn: false })) {
    size += chunk.length;
    if (size > most) throw tooLarge(request);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function tooLarge(request: FastifyRequest): ParleyError {
  return new ParleyError('PAYLOAD_TOO_LARGE', { details: { most: bodyLimitOf(pathOf(request)) } });
}

/** What fails before tRPC's handler: bodies, hooks and SSE requests that cannot be read. */
function answerFailure(serving: Serving, cause: unknown, reply: FastifyReply): void {
  const error = statusError(cause);
  const shape = describeFailure(serving, error);
  const { _config: config } = serving.router._def;
  const httpStatus: unknown = Reflect.get(shape.data, 'httpStatus');
  void reply
    .code(typeof httpStatus === 'number' ? httpStatus : 500)
    .header('cache-control', 'no-store')
    .type('application/json')
    .send(JSON.stringify(transformTRPCResponse(config, { error: shape })));
}

const reasonsOfStatus = new Map<number, Reason>([
  [413, 'PAYLOAD_TOO_LARGE'],
  [415, 'UNSUPPORTED_FORMAT'],
  [429, 'RATE_LIMITED'],
  [503, 'UNAVAILABLE'],
]);

function statusError(cause: unknown): TRPCError {
  if (cause instanceof TRPCError || cause instanceof ParleyError) return toTRPCError(cause);
  const status = typeof cause === 'object' && cause !== null && 'statusCode' in cause ? cause.statusCode : undefined;
  if (typeof status !== 'number' || status >= 600) return toTRPCError(cause);
  const reason = reasonsOfStatus.get(status) ?? (status < 500 ? 'INVALID_MESSAGE' : 'INTERNAL');
  return toTRPCError(new ParleyError(reason, { cause }));
}

function isSubscription(serving: Serving, request: FastifyRequest): boolean {
  if (request.method !== 'GET') return false;
  const procedures: Readonly<Record<string, { _def: { type: string } } | undefined>> = serving.router._def.procedures;
  if (procedures[pathOf(request)]?._def.type !== 'subscription') return false;
  // As tRPC reads it, so that both see the same.
  return new URL(request.url, 'http://localhost').searchParams.get('batch') !== '1';
}

function pathOf(request: FastifyRequest): string {
  const { params } = request;
  return typeof params === 'object' && params !== null && '*' in params && typeof params['*'] === 'string'
    ? params['*']
    : '';
}
