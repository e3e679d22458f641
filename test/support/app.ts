import { signToken } from '@parley/server/account/token';
import { decide } from '@parley/server/boot/config';
import { readEnvironment } from '@parley/server/boot/env';
import { createLogger } from '@parley/server/boot/log';
import { serve } from '@parley/server/boot/serve';
import type { Scope } from '@parley/shared/account';
import { freshDatabase } from './database.ts';
import type { FreshDatabase } from './postgres.ts';
import { type Provider, startProvider } from './provider.ts';
import { sharedRedis } from './shared-redis.ts';
import { type HttpClient, httpClient, openSocket, type Socket, type SocketClient } from './stock.ts';

/** The secret of every test server's tokens. */
export const jwtSecret = 'a secret of tests, as long as one has to be';

export interface AppOptions {
  /** On the run's Redis instead of in memory. */
  redis?: boolean;
  /** Variables over those of a test server. */
  env?: Record<string, string>;
  /** What unscripted requests to the provider get, by its names; `local` is Parley's own model. */
  model?: string;
  /** Stores and model of another server, for a second replica; they stay the first one's to close. */
  beside?: App;
}

export interface TokenOptions {
  tenant?: string;
  admin?: boolean;
  scope?: readonly Scope[];
  /** Seconds; may be negative. */
  lifetime?: number;
}

export interface App {
  /** `http://127.0.0.1:<port>` */
  url: string;
  /** `ws://127.0.0.1:<port>/trpc` */
  ws: string;
  database: FreshDatabase;
  provider: Provider;
  /** The server's log, a line of JSON an entry. */
  log: readonly string[];
  server: Awaited<ReturnType<typeof serve>>;
  token(user: string, options?: TokenOptions): Promise<string>;
  /** Stock `wsLink` on `/trpc`, connected as this user at the first call. Closed with the server. */
  trpc(user: string, options?: TokenOptions & { locale?: string }): Promise<SocketClient>;
  /** Stock `httpBatchLink`. */
  http(user: string, options?: TokenOptions & { headers?: Record<string, string> }): Promise<HttpClient>;
  stop(): Promise<void>;
}

/** A server in this process: a free port, a fresh database, a scripted model, tokens of its own secret. */
export async function startApp(options: AppOptions = {}): Promise<App> {
  const { beside, model = 'echo' } = options;
  const database = beside?.database ?? (await freshDatabase());
  const provider = beside?.provider ?? (await startProvider());
  const log: string[] = [];
  const config = decide(
    readEnvironment({
      PORT: '0',
      DATABASE_URL: database.url,
      AUTH_JWT_SECRET: jwtSecret,
      AUTH_PROVISION: 'auto',
      ...(model === 'local' ? { LLM_PROVIDER: 'local' } : { OPENAI_BASE_URL: provider.url, LLM_MODEL: model }),
      ...(options.redis && { REDIS_URL: sharedRedis().url }),
      ...options.env,
    }),
  );
  const logger = createLogger({ level: 'info', destination: { write: (line) => void log.push(line) } });
  const server = await serve(config, logger);
  const sockets: Socket[] = [];
  const token: App['token'] = (user, { tenant = 'acme', admin, scope, lifetime } = {}) =>
    signToken({
      secret: jwtSecret,
      user,
      tenant,
      ...(admin && { roles: ['admin'] }),
      ...(scope && { scope }),
      ...(lifetime !== undefined && { lifetime }),
    });
  const ws = `${server.url.replace('http:', 'ws:')}/trpc`;
  return {
    url: server.url,
    ws,
    database,
    provider,
    log,
    server,
    token,
    async trpc(user, { locale, ...rest } = {}) {
      const socket = openSocket(ws, { token: await token(user, rest), ...(locale !== undefined && { locale }) });
      sockets.push(socket);
      return socket.client;
    },
    async http(user, { headers, ...rest } = {}) {
      return httpClient(server.url, { authorization: `Bearer ${await token(user, rest)}`, ...headers });
    },
    async stop() {
      await Promise.all(sockets.map((socket) => socket.close()));
      await server.close();
      if (beside) return;
      await provider.close();
      await database.drop();
    },
  };
}
