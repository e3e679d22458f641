import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import cors from '@fastify/cors';
import { startEmbedded } from '@parley/db/embedded';
import { EmbeddedUnavailable } from '@parley/db/embedded-failure';
import { limits } from '@parley/shared/limits';
import { ParleyError } from '@parley/shared/reason';
import fastify, { type FastifyInstance } from 'fastify';
import { contextMaker } from '../rpc/context.ts';
import { reasonOf } from '../rpc/failure.ts';
import { registerFiles } from '../rpc/files.ts';
import { registerHttp } from '../rpc/http.ts';
import { describeApi } from '../rpc/openapi.ts';
import { registerPlayground } from '../rpc/playground.ts';
import { appRouter } from '../rpc/router.ts';
import { attachSockets } from '../rpc/socket/attach.ts';
import type { Serving } from '../rpc/transport.ts';
import { heartbeat } from '../rpc/trpc.ts';
import type { Logger } from '../turn/ports.ts';
import { assemble, type Running, version } from './app.ts';
import type { Config } from './config.ts';
import { registerConsole } from './console.ts';
import { registerHeaders } from './console-headers.ts';
import { registerSignIn } from './console-sign-in.ts';
import { BadEnvironment } from './env.ts';
import { addressOf } from './proxy.ts';

export interface Server {
  url: string;
  port: number;
  running: Running;
  /** Resolves when it cannot go on, with what to say of it: its own PostgreSQL has ended and nobody told it to. */
  failed: Promise<EmbeddedUnavailable>;
  /** Drains, then closes everything: no new turns, clients are told to connect elsewhere, running turns end. */
  stop(): Promise<void>;
  /** Closes everything without waiting for turns. */
  close(): Promise<void>;
}

/**
 * Starts a server: its database where it brings its own, its parts, and the one port with all transports.
 * `consoleBuilt`: when the console's folder holds what is to be served.
 */
export async function serve(config: Config, logger: Logger, consoleBuilt?: Promise<void>): Promise<Server> {
  await checkHost(config.listen.host);
  const embedded =
    config.database.mode === 'embedded'
      ? await startEmbedded({ dataDir: config.dataDir, log: (line) => logger.info({ line }, 'postgres') })
      : undefined;
  let closing = false;
  const failed = Promise.withResolvers<EmbeddedUnavailable>();
  void embedded?.exited.then(() => {
    if (closing) return;
    logger.error({ pid: embedded.pid }, 'PostgreSQL has ended by itself');
    failed.resolve(
      new EmbeddedUnavailable('PostgreSQL has ended by itself; what was acknowledged is there after the next start'),
    );
  });
  try {
    const connection = config.database.mode === 'external' ? config.database.url : embedded?.connection;
    if (connection === undefined) throw new Error('no database');
    const running = await assemble(config, connection, logger);
    try {
      await consoleBuilt;
      const listening = await listen(config, running, logger);
      const close = async (): Promise<void> => {
        closing = true;
        await listening.close();
        await running.close();
        await embedded?.stop();
      };
      return {
        url: listening.url,
        port: listening.port,
        running,
        failed: failed.promise,
        close,
        async stop() {
          logger.info({ turns: running.app.runner.count }, 'draining');
          const drained = running.drain();
          listening.redirect();
          await drained;
          listening.leave();
          await close();
        },
      };
    } catch (error) {
      await running.close();
      throw error;
    }
  } catch (error) {
    closing = true;
    await embedded?.stop();
    throw error;
  }
}

interface Listening {
  url: string;
  port: number;
  /** Tells clients on WebSockets to connect again, to wherever they are then sent. They stay until they have. */
  redirect(): void;
  /** The same, and ends all streams. */
  leave(): void;
  close(): Promise<void>;
}

async function listen(config: Config, running: Running, logger: Logger): Promise<Listening> {
  const { app, metrics } = running;
  const server = fastify({
    logger: false,
    bodyLimit: limits.bodyBytes,
    requestTimeout: 5 * 60_000,
    http: { headersTimeout: limits.handshakeMs, connectionsCheckingInterval: 1_000 },
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 2_000 },
  });
  // A connection that is kept alive would bring its next call here too.
  server.addHook('onSend', (_request, reply, _payload, done) => {
    if (app.draining()) reply.header('connection', 'close');
    done();
  });
  const isOwnOrigin = ownOrigin(config);
  await registerHeaders(server);
  await server.register(cors, { origin: config.origins === '*' ? true : [...config.origins], maxAge: 600 });
  operations(server, running);
  await registerConsole(server, config.consoleFolder);
  registerSignIn(server, config);
  if (config.playground) registerPlayground(server, appRouter, version);

  const address = addressOf(config.trustProxy);
  const serving: Serving<typeof appRouter> = {
    router: appRouter,
    createContext: contextMaker(app, address),
    onError: ({ error, path, ctx }) => {
      const reason = reasonOf(error);
      metrics.metrics.failed(reason);
      const fields = { reason, path, traceId: ctx?.traceId };
      if (reason === 'INTERNAL') logger.error({ ...fields, err: error.cause ?? error }, 'call failed');
      else logger.info(fields, 'call refused');
    },
  };
  const http = await registerHttp(server, {
    ...serving,
    sse: { pingMs: heartbeat.pingMs, reconnectAfterInactivityMs: heartbeat.reconnectMs },
  });
  await registerFiles(server, serving);
  const sockets = attachSockets({
    ...serving,
    server: server.server,
    allowOrigin: isOwnOrigin,
    admit: (req) => (app.draining() ? new ParleyError('DRAINING') : app.rates.address(address(req))),
    metrics: {
      opened: () => metrics.metrics.sockets(1),
      closed: () => metrics.metrics.sockets(-1),
      refused: (reason) => metrics.metrics.failed(reason),
    },
  });
  server.setNotFoundHandler((_request, reply) => reply.code(404).send({ error: 'not found' }));
  const { host } = config.listen;
  await server.listen({ host, port: config.listen.port });
  const bound = server.server.address();
  if (bound === null || typeof bound === 'string') throw new Error('no port');
  const { port } = bound;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    port,
    redirect: () => sockets.broadcastReconnect(),
    leave() {
      sockets.broadcastReconnect();
      http.leaveStreams();
    },
    async close() {
      await sockets.close();
      await server.close();
    },
  };
}

/** What operators and other programs look at; none of it needs a credential, and none of it tells of anybody. */
function operations(server: FastifyInstance, running: Running): void {
  const api = JSON.stringify(describeApi(appRouter, version));
  server.get('/healthz', () => ({ status: 'ok' }));
  server.get('/readyz', async (_request, reply) => {
    try {
      await running.checkReady();
      return { status: 'ready' };
    } catch {
      return reply.code(503).send({ status: running.app.draining() ? 'draining' : 'unavailable' });
    }
  });
  server.get('/metrics', async (_request, reply) =>
    reply.type(running.metrics.contentType).send(await running.metrics.text()),
  );
  server.get('/openapi.json', (_request, reply) => reply.type('application/json').send(api));
}

/** @throws BadEnvironment when nothing can listen there, on whatever port: before anything else has been started */
async function checkHost(host: string): Promise<void> {
  const probe = createServer();
  try {
    probe.listen({ host, port: 0 });
    await once(probe, 'listening');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
    throw new BadEnvironment(`HOST must be an address of this machine, or a name of one${code}`);
  } finally {
    probe.close();
  }
}

/** A page may connect when it came from this server, or from an origin that is allowed. */
function ownOrigin(config: Config): (origin: string, req: IncomingMessage) => boolean {
  const allowed: ReadonlySet<string> = new Set(config.origins === '*' ? [] : config.origins);
  return (origin, req) => {
    if (config.origins === '*' || allowed.has(origin)) return true;
    return URL.parse(origin)?.host === req.headers.host;
  };
}
