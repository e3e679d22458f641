import { resolve } from 'node:path';
import type { RateLimits } from '../account/rate.ts';
import type { Trust } from '../account/token.ts';
import { BadEnvironment, type Environment } from './env.ts';
import type { Network } from './proxy.ts';

/** A service that is reached over HTTP, or the one that Parley brings along. */
export type ProviderConfig =
  | { provider: 'local'; model: string | undefined }
  | { provider: 'openai'; model: string; baseURL: string | undefined; apiKey: string | undefined };

/** Deadlines of a speech service in milliseconds: until an answer begins, between its pieces, for all of it with every attempt. */
export interface SpeechDeadlines {
  firstByteMs: number;
  idleMs: number;
  totalMs: number;
}

export interface Config {
  listen: { host: string; port: number };
  /** Origins of other web pages that may call; `'*'` is all. */
  origins: readonly string[] | '*';
  trustProxy: readonly Network[];
  dataDir: string;
  /** Where builds of the console are. */
  consoleFolder: string;
  /** Whether there is a page to call procedures by hand. */
  playground: boolean;
  /** The embedded mode runs PostgreSQL itself, in `dataDir`. */
  database: { mode: 'embedded' } | { mode: 'external'; url: string };
  poolSize: number;
  redisUrl: string | undefined;
  storage: { type: 'file'; folder: string } | { type: 's3'; url: string };
  llm: ProviderConfig;
  stt: ProviderConfig & { deadlines: SpeechDeadlines };
  tts: ProviderConfig & { deadlines: SpeechDeadlines; voice: string | undefined };
  /** Deadlines in milliseconds, budgets in tokens. */
  model: {
    firstTokenMs: number;
    idleMs: number;
    totalMs: number;
    attempts: number;
    contextTokens: number;
    replyTokens: number;
  };
  auth: {
    /** `auto`: an unknown subject becomes an approved user at first sight. */
    provision: 'auto' | 'closed';
    trust: readonly Trust[];
  };
  rates: RateLimits;
  /**
   * Milliseconds: how long missing segments are waited for, how long a recording stays open of which nothing comes, and after how
   * long the agent says that it listens.
   */
  voice: { missingMs: number; openMs: number; listeningMs: number };
  leaseMs: number;
  drainMs: number;
  logLevel: NonNullable<Environment['LOG_LEVEL']>;
}

const repository = resolve(import.meta.dirname, '../..');

/** The folder of the embedded mode, for the server and for the command line alike. */
export function dataFolder(env: Pick<Environment, 'DATA_DIR'>): string {
  return resolve(repository, env.DATA_DIR);
}

function providerOf(env: Environment, part: 'LLM' | 'STT' | 'TTS', standard: string): ProviderConfig {
  const baseURL = env[`${part}_BASE_URL`] ?? env.OPENAI_BASE_URL;
  const apiKey = env[`${part}_API_KEY`] ?? env.OPENAI_API_KEY;
  const reachable = baseURL !== undefined || apiKey !== undefined;
  const provider = env[`${part}_PROVIDER`] ?? (reachable ? 'openai' : 'local');
  const model = env[`${part}_MODEL`];
  if (provider === 'local') return { provider, model };
  if (!reachable) {
    throw new BadEnvironment(
      `${part}_PROVIDER is openai, which needs ${part}_API_KEY, ${part}_BASE_URL or OPENAI_API_KEY`,
    );
  }
  return { provider, model: model ?? standard, baseURL: baseURL?.replace(/\/+$/, ''), apiKey };
}

function trustOf(env: Environment, embedded: boolean, dataDir: string): Trust[] {
  const expected = { issuer: env.AUTH_ISSUER, audience: env.AUTH_AUDIENCE };
  const trust: Trust[] = [];
  if (env.AUTH_JWT_SECRET !== undefined) trust.push({ type: 'secret', secret: env.AUTH_JWT_SECRET, ...expected });
  if (env.AUTH_JWKS_URL !== undefined) {
    const { AUTH_ISSUER: issuer, AUTH_AUDIENCE: audience } = env;
    if (issuer === undefined) throw new BadEnvironment('AUTH_ISSUER is required with AUTH_JWKS_URL');
    if (audience === undefined) throw new BadEnvironment('AUTH_AUDIENCE is required with AUTH_JWKS_URL');
    trust.push({ type: 'jwks', url: env.AUTH_JWKS_URL, issuer, audience });
  }
  if (trust.length > 0) return trust;
  if (!embedded) throw new BadEnvironment('AUTH_JWT_SECRET or AUTH_JWKS_URL is required with DATABASE_URL');
  return [{ type: 'kept', dataDir, ...expected }];
}

function storageOf(env: Environment, dataDir: string): Config['storage'] {
  const url = env.STORAGE_URL;
  if (url === undefined) return { type: 'file', folder: resolve(dataDir, 'files') };
  // `file:files` and `file:///srv/files` alike; a host, as in `file://files`, is a slip.
  const path = /^file:(?:\/\/(?=\/))?([^/].*|\/(?!\/).*)$/.exec(url)?.[1];
  if (path !== undefined) return { type: 'file', folder: resolve(repository, decodePath(path)) };
  if (url.startsWith('file:'))
    throw new BadEnvironment('STORAGE_URL must be file: and a path, such as file:///srv/files');
  return { type: 's3', url };
}

function decodePath(path: string): string {
  try {
    const decoded = decodeURIComponent(path);
    if (!decoded.includes('\0')) return decoded;
  } catch {
    // Said in one line, as of any other variable.
  }
  throw new BadEnvironment('STORAGE_URL must have two hexadecimal digits of UTF-8 after each %, and no NUL');
}

/**
 * Decides everything that follows from the environment. Touches nothing: no file, no network, no clock.
 * `terminal`: whether a person reads the output.
 * @throws BadEnvironment when variables contradict each other
 */
export function decide(env: Environment, terminal = false): Config {
  const embedded = env.DATABASE_URL === undefined;
  const dataDir = dataFolder(env);
  if (env.MODEL_REPLY_TOKENS * 2 > env.MODEL_CONTEXT_TOKENS) {
    throw new BadEnvironment('MODEL_REPLY_TOKENS must be at most half of MODEL_CONTEXT_TOKENS');
  }
  return {
    listen: { host: env.HOST, port: env.PORT },
    origins: env.CORS_ORIGINS.includes('*') ? '*' : env.CORS_ORIGINS,
    trustProxy: env.TRUST_PROXY,
    dataDir,
    consoleFolder: resolve(repository, 'client/console/dist'),
    playground: (env.PLAYGROUND ?? (embedded ? 'on' : 'off')) === 'on',
    database: env.DATABASE_URL === undefined ? { mode: 'embedded' } : { mode: 'external', url: env.DATABASE_URL },
    poolSize: env.DATABASE_POOL,
    redisUrl: env.REDIS_URL,
    storage: storageOf(env, dataDir),
    llm: providerOf(env, 'LLM', 'gpt-4o-mini'),
    stt: { ...providerOf(env, 'STT', 'gpt-4o-mini-transcribe'), deadlines: deadlinesOf(env, 'STT') },
    tts: ttsOf(env),
    model: {
      firstTokenMs: env.MODEL_FIRST_TOKEN_MS,
      idleMs: env.MODEL_IDLE_MS,
      totalMs: env.MODEL_TOTAL_MS,
      attempts: env.MODEL_ATTEMPTS,
      contextTokens: env.MODEL_CONTEXT_TOKENS,
      replyTokens: env.MODEL_REPLY_TOKENS,
    },
    auth: { provision: env.AUTH_PROVISION ?? (embedded ? 'auto' : 'closed'), trust: trustOf(env, embedded, dataDir) },
    rates: {
      userPerSecond: env.RATE_USER_PER_SECOND,
      userBurst: env.RATE_USER_BURST,
      addressPerSecond: env.RATE_ADDRESS_PER_SECOND,
      turnsPerMinute: env.RATE_TURNS_PER_MINUTE,
    },
    voice: { missingMs: env.VOICE_MISSING_MS, openMs: env.VOICE_OPEN_MS, listeningMs: env.VOICE_LISTENING_MS },
    leaseMs: env.LEASE_MS,
    drainMs: env.DRAIN_MS,
    logLevel: env.LOG_LEVEL ?? (embedded && terminal ? 'warn' : 'info'),
  };
}

function ttsOf(env: Environment): Config['tts'] {
  const tts = providerOf(env, 'TTS', 'gpt-4o-mini-tts');
  const voice = env.TTS_VOICE ?? (tts.provider === 'openai' ? 'alloy' : undefined);
  return { ...tts, deadlines: deadlinesOf(env, 'TTS'), voice };
}

function deadlinesOf(env: Environment, part: 'STT' | 'TTS'): SpeechDeadlines {
  return {
    firstByteMs: env[`${part}_FIRST_BYTE_MS`],
    idleMs: env[`${part}_IDLE_MS`],
    totalMs: env[`${part}_TOTAL_MS`],
  };
}
