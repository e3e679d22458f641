import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { registerHttp } from '@parley/server/rpc/http';
import { attachSockets, type SocketMetrics } from '@parley/server/rpc/socket/attach';
import type { Waits } from '@parley/server/rpc/socket/sweep';
import type { SseOptions } from '@parley/server/rpc/sse';
import type { CallFailure, ContextRequest } from '@parley/server/rpc/transport';
import { ParleyError } from '@parley/shared/reason';
import { Feed, type ToyContext, toyRouter } from './trpc-toy.ts';

/** The server's own fastify: tests have no other. */
const fastify: (options: object) => Parameters<typeof registerHttp>[0] = createRequire(
  import.meta.resolve('@parley/server/rpc/http'),
)('fastify');

export interface ToyOptions {
  waits?: Partial<Waits>;
  sse?: Partial<SseOptions>;
  metrics?: SocketMetrics;
  context?: (request: ContextRequest) => Promise<ToyContext>;
}

/** The toy's context: `token: 'bad'` is refused, anything else is the user's name. */
export async function toyContext({ req, connectionParams }: Pick<ContextRequest, 'req' | 'connectionParams'>) {
  const user = connectionParams?.token ?? req.headers.authorization ?? 'nobody';
  if (user === 'bad') throw new ParleyError('UNAUTHENTICATED');
  return { user, traceId: 'trace' };
}

/** The toy router on Parley's own adapters, all on one port. */
export async function startToy(options: ToyOptions = {}) {
  const feed = new Feed();
  const { router, held, produced } = toyRouter(feed);
  const failures: CallFailure[] = [];
  const app = fastify({ forceCloseConnections: true });
  const serving = {
    router,
    createContext: options.context ?? toyContext,
    onError: (failure: CallFailure) => failures.push(failure),
  };
  const http = await registerHttp(app, { ...serving, sse: options.sse });
  const sockets = attachSockets({
    ...serving,
    server: app.server,
    allowOrigin: (origin) => origin === 'http://allowed.example',
    waits: options.waits,
    metrics: options.metrics,
  });
  const connections = new Set<Socket>();
  app.server.on('connection', (socket) => connections.add(socket));
  await app.listen({ port: 0, host: '127.0.0.1' });
  const address = app.server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return {
    feed,
    held,
    produced,
    failures,
    http,
    sockets,
    server: app.server,
    connections,
    url: `http://127.0.0.1:${port}/trpc`,
    ws: `ws://127.0.0.1:${port}/trpc`,
    async [Symbol.asyncDispose]() {
      http.leaveStreams();
      await sockets.close();
      await app.close();
    },
  };
}
