import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createParley, type Parley } from '@parley/client/connect';
import type { Transport } from '@parley/client/connection/link';
import type { Conversation } from '@parley/client/conversation/conversation';
import { signToken } from '@parley/server/account/token';
import { decide } from '@parley/server/boot/config';
import { readEnvironment } from '@parley/server/boot/env';
import { createLogger } from '@parley/server/boot/log';
import { serve } from '@parley/server/boot/serve';
import type { Scope } from '@parley/shared/account';
import { type Events, followEvents } from './drive/events.ts';
import { freshSecret, freshStore } from './drive/store.ts';
import { type Provider, startProvider } from './support/provider.ts';
import { type FaultyProxy, startProxy } from './support/proxy.ts';
import { startVoiceService, type VoiceService } from './support/voice.ts';

export interface DriveOptions {
  /**
   * What answers where nothing is scripted: `echo` (the default: `You said: …. 1 2 3`), `echo:PIECES:MS`, `stall:PIECES`,
   * `cut:PIECES`, `status:CODE` (see `support/provider`), or `local`, Parley's own model.
   */
  model?: string;
  /** `scripted` (the default): services that hear and say what a test tells them. `local`: Parley's own models, English. */
  speech?: 'scripted' | 'local';
  /** Variables of the server, over those of a drive: the README's table. */
  env?: Readonly<Record<string, string>>;
}

export interface UserOptions {
  /** `acme` when it is not said. */
  tenant?: string;
  admin?: boolean;
  /** All of them when it is not said. */
  scope?: readonly Scope[];
  /** Seconds that the token lasts; may be negative. */
  lifetime?: number;
  /** `binary` when it is not said. */
  transport?: Transport;
  /** The way to the server: one of `proxy()`. */
  through?: FaultyProxy;
}

/** Somebody with a client of their own, connected when it is first used. */
export interface DriveUser {
  readonly name: string;
  /** For other programs and clients. */
  readonly token: string;
  /** Parley's own client: conversations, turns, streams. */
  readonly parley: Parley;
  /** Every procedure, typed, without retries. */
  readonly trpc: Parley['trpc'];
  /** A new conversation. */
  conversation(input?: Parameters<Parley['conversations']['create']>[0]): Promise<Conversation>;
  /**
   * Follows a conversation, from `lastEventId`, else from the running turn's first event, else from now on. Resolves when
   * the server delivers, so that nothing of what the test does next is missed.
   */
  follow(conversationId: string, lastEventId?: string): Promise<Events>;
}

/** A server that is all of a test's own, and what it talks to. */
export interface Drive extends AsyncDisposable {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** The model's service: `script(answer('…'))` says what comes next, `requests` is what was asked. */
  readonly model: Provider;
  /** The speech services: `hear` and `speak` script them by sound and by text. Nobody asks them with `speech: 'local'`. */
  readonly speech: VoiceService;
  /** The server's log, a line of JSON an entry. */
  readonly log: readonly string[];
  token(user: string, options?: Omit<UserOptions, 'transport' | 'through'>): Promise<string>;
  user(name: string, options?: UserOptions): Promise<DriveUser>;
  /** A way to the server that can be cut, stalled and slowed down; closed with the drive. */
  proxy(): Promise<FaultyProxy>;
  /** The server's numbers, as `/metrics` tells them. */
  metrics(): Promise<string>;
  /** Closes clients, proxies, the server and its stores. Harmless when called again. */
  stop(): Promise<void>;
}

/**
 * Starts a server for a test: a free port, a database of its own on an embedded PostgreSQL (some two seconds for the first
 * of a process, a moment for each further one), log and cache in memory, a scripted model and scripted speech services,
 * tokens of its own secret. Needs no test runner; all that it starts ends with the process at the latest.
 *
 * ```ts
 * import { startDrive } from '@parley/test/drive';
 * import { answer } from '@parley/test/support/provider';
 *
 * await using drive = await startDrive();
 * const ann = await drive.user('ann');
 * const conversation = await ann.conversation();
 * const events = await ann.follow(conversation.id);
 * drive.model.script(answer('Hello, ', 'Ann.'));
 * const turn = conversation.send('hello');
 * await events.end(turn.id); // or NotSeen, which lists what came
 * ```
 *
 * What else a test may want: `support/provider` (answers in pieces, gates that hold them, refusals), `support/voice` (sounds
 * that say what they are told to), `support/recording` (segments in any order), `support/proxy`, and `brokenRules` of
 * `@parley/client/cli/replay-rules`. Three whole examples: `test/example/drive-*.ts`.
 *
 * @throws EmbeddedUnavailable when PostgreSQL cannot run here, BadEnvironment for a bad variable
 */
export async function startDrive(options: DriveOptions = {}): Promise<Drive> {
  await using building = new AsyncDisposableStack();
  const folder = await mkdtemp(path.join(os.tmpdir(), 'parley-drive-'));
  building.defer(() => rm(folder, { recursive: true, force: true }));
  const store = await freshStore();
  building.defer(() => store.drop());
  const model = await startProvider();
  building.defer(() => model.close());
  const speech = await startVoiceService();
  building.defer(() => speech.close());
  const secret = freshSecret();
  const log: string[] = [];
  const server = await serve(
    decide(
      readEnvironment({
        PORT: '0',
        DATA_DIR: folder,
        DATABASE_URL: store.url,
        AUTH_JWT_SECRET: secret,
        AUTH_PROVISION: 'auto',
        ...(options.model === 'local'
          ? { LLM_PROVIDER: 'local' }
          : { LLM_PROVIDER: 'openai', LLM_BASE_URL: model.url, LLM_MODEL: options.model ?? 'echo' }),
        ...(options.speech === 'local' ? { STT_PROVIDER: 'local', TTS_PROVIDER: 'local' } : speech.env),
        ...options.env,
      }),
    ),
    createLogger({ level: 'info', destination: { write: (line) => void log.push(line) } }),
  );
  building.defer(() => server.close());

  const stack = building.move();
  const token: Drive['token'] = (user, { tenant = 'acme', admin, scope, lifetime } = {}) =>
    signToken({
      secret,
      user,
      tenant,
      ...(admin && { roles: ['admin'] }),
      ...(scope && { scope }),
      ...(lifetime !== undefined && { lifetime }),
    });
  const stop = (): Promise<void> => stack.disposeAsync();
  return {
    url: server.url,
    model,
    speech,
    log,
    token,
    async user(name, { transport, through, ...rest } = {}) {
      const mine = await token(name, rest);
      const url = through?.url ?? server.url;
      const parley = createParley({ url, token: mine, ...(transport && { transport }) });
      stack.defer(() => parley.close());
      return userOf(name, mine, parley, (events) => stack.defer(() => events.stop()));
    },
    async proxy() {
      const proxy = await startProxy(server.url);
      stack.defer(() => proxy.close());
      return proxy;
    },
    async metrics() {
      return await (await fetch(`${server.url}/metrics`)).text();
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** `owned`: told of what has to be stopped before the client is closed. */
function userOf(name: string, token: string, parley: Parley, owned: (events: Events) => void): DriveUser {
  return {
    name,
    token,
    parley,
    trpc: parley.trpc,
    conversation: (input) => parley.conversations.create(input),
    async follow(conversationId, lastEventId) {
      const events = await followEvents(parley, conversationId, lastEventId);
      owned(events);
      return events;
    },
  };
}
