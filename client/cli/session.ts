import os from 'node:os';
import { parseArgs } from 'node:util';
import { dataFolder } from '@parley/server/boot/config';
import { BadEnvironment, readEnvironment } from '@parley/server/boot/env';
import { createParley, type Parley } from '../connect.ts';
import { Credential, type TokenSource } from '../connection/credential.ts';
import type { ConnectionState, Transport } from '../connection/link.ts';
import { isRecord } from '../failure.ts';
import { CommandFailure, note, UsageError } from './command.ts';
import { mintToken } from './token.ts';

/** How long a server may take to say that it is there, in milliseconds. */
const pingMs = 5_000;

/** The options of every command that talks to a server. */
export const sessionOptions = {
  url: { type: 'string' },
  token: { type: 'string' },
  user: { type: 'string' },
  tenant: { type: 'string' },
  transport: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

export const sessionHelp = `  --url URL        the server (PARLEY_URL; else http://127.0.0.1:PORT, 4000)
  --token TOKEN    access token or API key (PARLEY_TOKEN; else one is made with the server's secret)
  --user USER      who you are: the token's user, or the one an API key acts for (else your login name)
  --tenant TENANT  the user's tenant (default)
  --transport T    binary, websocket or http (binary)`;

export interface SessionValues {
  url?: string | undefined;
  token?: string | undefined;
  user?: string | undefined;
  tenant?: string | undefined;
  transport?: string | undefined;
}

/** The command's words, or a UsageError that says what is wrong with them. */
export function parse<Options extends NonNullable<Parameters<typeof parseArgs>[0]>['options']>(
  args: string[],
  options: Options,
  positionals: readonly string[] = [],
) {
  try {
    const parsed = parseArgs({ args, options, allowPositionals: true });
    if (parsed.positionals.length > positionals.length)
      throw new UsageError(`unexpected '${parsed.positionals[positionals.length]}'`);
    const missing = positionals[parsed.positionals.length];
    if (missing !== undefined) throw new UsageError(`${missing} is missing`);
    return parsed;
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message.split('. ')[0] ?? error.message);
    throw error;
  }
}

/** Connects to a server that is there. @throws CommandFailure when none is */
export async function openSession(values: SessionValues, onState?: (state: ConnectionState) => void): Promise<Parley> {
  const transport = transportOf(values.transport);
  return createParley({ ...(await findServer(values)), transport, ...(onState && { onState }) });
}

/** Connections of many users to one server. */
export interface Sessions {
  url: string;
  /** Whether each is somebody else; a given access token is one user's, however often it connects. */
  areDifferent: boolean;
  open(user: string): Parley;
}

/** @throws CommandFailure when no server is there */
export async function openSessions(values: SessionValues): Promise<Sessions> {
  const transport = transportOf(values.transport);
  const { url, token } = await findServer(values);
  const isKey = typeof token === 'string' && token.startsWith('pk_');
  const isMinted = typeof token === 'function';
  return {
    url,
    areDifferent: isMinted || isKey,
    open: (user) =>
      createParley({ url, transport, token: isMinted ? minted({ ...values, user }) : token, ...(isKey && { user }) }),
  };
}

/** A server that is there, and the headers of a request to it. @throws CommandFailure when none is */
export async function openHttp(values: SessionValues): Promise<{ url: string; headers: Record<string, string> }> {
  const { url, token, user } = await findServer(values);
  return { url, headers: await new Credential(token, user).headers() };
}

async function findServer(values: SessionValues): Promise<{ url: string; token: TokenSource; user?: string }> {
  const url = urlOf(values.url);
  const token = values.token ?? (process.env.PARLEY_TOKEN || undefined) ?? minted(values);
  await ping(url);
  // An access token names its user; an API key acts for one.
  const isKey = typeof token === 'string' && token.startsWith('pk_');
  return { url, token, ...(isKey && values.user !== undefined && { user: values.user }) };
}

/** Says once when the server is lost and once when it is back. */
export function reportLoss(): (state: ConnectionState) => void {
  let isLost = false;
  return ({ state, error }) => {
    if (state === 'connecting' && error && !isLost) note('… the server is lost, trying again');
    else if (state === 'open' && isLost) note('… the server is back');
    else if (state !== 'open' && !(state === 'connecting' && error)) return;
    isLost = state !== 'open';
  };
}

/** What the server was started with, as far as the command line needs it. */
export function environment() {
  try {
    return readEnvironment();
  } catch (error) {
    if (error instanceof BadEnvironment) throw new CommandFailure(error.message);
    throw error;
  }
}

/** Where tokens get their signature from: the secret that is set, else the one that the embedded mode keeps. */
export function signer(): ({ secret: string } | { dataDir: string }) & { issuer?: string; audience?: string } {
  const env = environment();
  const secret = env.AUTH_JWT_SECRET;
  if (secret === undefined && env.AUTH_JWKS_URL !== undefined)
    throw new CommandFailure('tokens come from whoever holds the keys of AUTH_JWKS_URL: pass one with --token');
  return {
    ...(secret === undefined ? { dataDir: dataFolder(env) } : { secret }),
    ...(env.AUTH_ISSUER !== undefined && { issuer: env.AUTH_ISSUER }),
    ...(env.AUTH_AUDIENCE !== undefined && { audience: env.AUTH_AUDIENCE }),
  };
}

function minted({ user, tenant }: SessionValues): TokenSource {
  const from = signer();
  return () => mintToken({ ...from, user: user ?? loginName(), tenant });
}

function loginName(): string {
  try {
    return os.userInfo().username;
  } catch {
    return 'me';
  }
}

function transportOf(name = 'binary'): Transport {
  if (name === 'binary' || name === 'websocket' || name === 'http') return name;
  throw new UsageError(`--transport is binary, websocket or http, not '${name}'`);
}

function urlOf(given: string | undefined): string {
  const url = given ?? (process.env.PARLEY_URL || `http://127.0.0.1:${environment().PORT}`);
  const protocol = URL.parse(url)?.protocol;
  if (protocol !== 'http:' && protocol !== 'https:') throw new UsageError(`'${url}' is no http or https URL`);
  return url.replace(/\/+$/, '');
}

async function ping(url: string): Promise<void> {
  try {
    const response = await fetch(`${url}/trpc/system.ping`, { signal: AbortSignal.timeout(pingMs) });
    const answer: unknown = await response.json();
    if (isRecord(answer) && ('result' in answer || 'error' in answer)) return;
  } catch {
    // Nobody listens there, or somebody else does.
  }
  throw new CommandFailure(`no server at ${url} (npm start)`);
}
