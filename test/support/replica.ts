import { type ChildProcess, execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { signToken } from '@parley/server/account/token';
import type { Checkpoint } from '@parley/server/turn/checkpoint';
import { freshDatabase } from './database.ts';
import type { FreshDatabase } from './postgres.ts';
import { type Provider, startProvider } from './provider.ts';

/** What happens to a replica, and when: at this step of any turn, or of the one with this id (of a conversation: `erase.*`). */
export interface Fault {
  step: Checkpoint;
  signal: 'SIGKILL' | 'SIGSTOP' | 'SIGTERM';
  id?: string;
}

export interface ToReplica {
  call: number;
  fault: Fault;
}

export interface FromReplica {
  /** The call that has been carried out. */
  call: number;
}

/** A server in a process of its own. */
export interface Replica {
  name: string;
  /** `http://127.0.0.1:<port>` */
  url: string;
  /** `ws://127.0.0.1:<port>/trpc` */
  ws: string;
  pid: number;
  /** Its latest output, a line an entry. */
  log: readonly string[];
  /** Arms a fault. The answer resolves when it is armed, `struck` with the id of the turn that it struck. */
  fault(fault: Fault): Promise<{ struck: Promise<string> }>;
  signal(signal: NodeJS.Signals): void;
  /** Resolves with the exit code, or the signal that ended it. */
  exited: Promise<number | NodeJS.Signals>;
  alive(): boolean;
  /** Ends it at once, also when it is stopped. */
  kill(): Promise<void>;
  /** Lets it drain, as an operator does. Resolves with its exit code. */
  terminate(): Promise<number | NodeJS.Signals>;
}

export interface ClusterOptions {
  /** A Redis that the replicas share; without it each has its own memory, and only one may run at a time. */
  redisUrl?: string | undefined;
  /** Default 1,000, the least there is. */
  leaseMs?: number;
  /** What unscripted requests to the provider get, by its names. */
  model?: string;
  /** A database other than one of the run's. It is dropped at the end as well. */
  database?: FreshDatabase;
  /** Another way to it, such as a proxy. */
  databaseUrl?: string;
  env?: Record<string, string>;
}

export interface Cluster {
  database: FreshDatabase;
  provider: Provider;
  /** Good on every replica. */
  token(user: string): Promise<string>;
  start(env?: Record<string, string>): Promise<Replica>;
  /** Kills what still runs, and drops the database: that fails when a connection leaked here. */
  stop(): Promise<void>;
}

const secret = 'a secret of test replicas, long enough for it';
const program = fileURLToPath(new URL('replica-child.ts', import.meta.url));
const startMs = 60_000;
const outputLines = 200;

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Servers that share a fresh database, a scripted model and perhaps a Redis. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const { redisUrl, leaseMs = 1_000, model = 'echo:12:15' } = options;
  const database = options.database ?? (await freshDatabase());
  const provider = await startProvider();
  const replicas: Replica[] = [];
  return {
    database,
    provider,
    token: (user) => signToken({ secret, user, tenant: 'acme' }),
    async start(env = {}) {
      const replica = await startReplica(`replica ${replicas.length + 1}`, {
        PORT: '0',
        DATABASE_URL: options.databaseUrl ?? database.url,
        DATABASE_POOL: '5',
        AUTH_JWT_SECRET: secret,
        AUTH_PROVISION: 'auto',
        OPENAI_BASE_URL: provider.url,
        LLM_MODEL: model,
        LEASE_MS: String(leaseMs),
        RATE_TURNS_PER_MINUTE: '0',
        ...(redisUrl !== undefined && { REDIS_URL: redisUrl }),
        ...options.env,
        ...env,
      });
      replicas.push(replica);
      return replica;
    },
    async stop() {
      await Promise.all(replicas.map((replica) => replica.kill()));
      await provider.close();
      await database.drop();
    },
  };
}

const run = promisify(execFile);

/** Resolves when the process is stopped, or gone. */
async function stopped({ pid }: ChildProcess): Promise<void> {
  for (;;) {
    const state = await run('ps', ['-o', 'state=', '-p', String(pid)]).catch(() => undefined);
    if (state === undefined || state.stdout.trim().startsWith('T')) return;
    await pause(5);
  }
}

/** @throws Error with its output when it does not listen */
async function startReplica(name: string, env: Record<string, string>): Promise<Replica> {
  const { PATH = '', HOME = '', NODE_COMPILE_CACHE } = process.env;
  const child = fork(program, {
    env: { PATH, HOME, ...(NODE_COMPILE_CACHE && { NODE_COMPILE_CACHE }), ...env },
    execArgv: [],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  running.add(child);
  const log: string[] = [];
  const listening = Promise.withResolvers<string>();
  const struck = new Map<string, (id: string) => void>();
  const answers = new Map<number, () => void>();
  const exited = once(child, 'exit').then(([code, signal]): number | NodeJS.Signals => {
    running.delete(child);
    listening.reject(new Error(`${name} ended (${String(signal ?? code)}) before it listened:\n${log.join('\n')}`));
    return signal ?? code;
  });
  for (const stream of [child.stdout, child.stderr]) {
    if (!stream) continue;
    createInterface({ input: stream }).on('line', (line) => {
      log.push(line);
      if (log.length > outputLines) log.shift();
      const [word, step, id] = line.split(' ');
      if (word === 'fault' && step && id) struck.get(step)?.(id);
      const url = /^parley listening on (\S+)/.exec(line)?.[1];
      if (url !== undefined) listening.resolve(url);
    });
  }
  child.on('message', (message: FromReplica) => {
    answers.get(message.call)?.();
    answers.delete(message.call);
  });
  const timer = setTimeout(() => listening.reject(new Error(`${name} does not listen:\n${log.join('\n')}`)), startMs);
  let url: string;
  try {
    url = await listening.promise;
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  } finally {
    clearTimeout(timer);
  }

  let calls = 0;
  const arm = (fault: Fault): Promise<void> =>
    new Promise((resolve, reject) => {
      const call = ++calls;
      answers.set(call, resolve);
      child.send({ call, fault } satisfies ToReplica, (error) => error && reject(error));
    });
  const alive = (): boolean => child.exitCode === null && child.signalCode === null;
  return {
    name,
    url,
    ws: `${url.replace('http:', 'ws:')}/trpc`,
    pid: child.pid ?? 0,
    log,
    async fault(fault) {
      const { promise, resolve } = Promise.withResolvers<string>();
      struck.set(fault.step, resolve);
      await arm(fault);
      if (fault.signal !== 'SIGSTOP') return { struck: promise };
      // It says so just before; to go on while it still runs would be to stop it for ever.
      return { struck: promise.then((id) => stopped(child).then(() => id)) };
    },
    signal: (signal) => void child.kill(signal),
    exited,
    alive,
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
    async terminate() {
      child.kill('SIGTERM');
      return await exited;
    },
  };
}
