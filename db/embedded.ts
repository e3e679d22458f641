import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findPrograms } from './embedded-binary.ts';
import { type Cluster, checkVersion, clusterUser, follow, initialise, reasonOf, runIn } from './embedded-cluster.ts';
import { DataFolderInUse, EmbeddedUnavailable } from './embedded-failure.ts';
import { holdFolder } from './embedded-lock.ts';
import { PORT, socketFolder } from './embedded-socket.ts';
import { takeOver } from './embedded-takeover.ts';

const READY_MS = 60_000;
/** How long a server that has just been killed may take to let its folder go. */
const HANDOVER_MS = 2_000;
/** How long `stop()` waits, in milliseconds, after each signal before the next harder one. */
const shutdown: ReadonlyArray<readonly [NodeJS.Signals, number]> = [
  ['SIGINT', 10_000],
  ['SIGQUIT', 5_000],
  ['SIGKILL', 5_000],
];

export interface EmbeddedOptions {
  /** Created when missing. The database is its subfolder `postgres`. */
  dataDir: string;
  /** `false` gives up what a crash of the machine would lose, for speed in tests. Default `true`. */
  durable?: boolean;
  /** Told, line by line, where the data lie and what PostgreSQL logs; no statements, no values. */
  log?: (line: string) => void;
}

export interface EmbeddedPostgres {
  /** `host` is the folder of a unix socket. */
  connection: { host: string; port: number; user: string; database: string };
  /** The same as a URL. */
  url: string;
  pid: number;
  /** Settles when PostgreSQL has ended, by `stop()` or by itself; then the folder is still held. Never rejects. */
  exited: Promise<void>;
  /** Ends all sessions and PostgreSQL within 20 s and lets the folder go. Calling it again is harmless. */
  stop(): Promise<void>;
}

/**
 * Starts the PostgreSQL that the package registry ships, on `dataDir/postgres`, reachable by a unix socket only.
 * It ends with this process, however that ends, and the next start takes the folder over.
 *
 * PostgreSQL refuses to run as root. Started by root it runs as the cluster's owner, who is nobody at first, also in a
 * folder which that user may not enter: a process keeps its working directory whatever lies above it, so on Linux
 * PostgreSQL is started inside the cluster and knows it as `/proc/self/cwd`. The data always lie in `dataDir`.
 *
 * Throws `DataFolderInUse` when another server lives on the folder, `EmbeddedUnavailable` when it cannot run here.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  let release = () => {};
  try {
    fs.mkdirSync(options.dataDir, { recursive: true, mode: 0o700 });
    const dataDir = fs.realpathSync(options.dataDir);
    release = (await holdSoon(dataDir)).release;
    return await startHeld(dataDir, options, release);
  } catch (error) {
    release();
    if (error instanceof EmbeddedUnavailable || error instanceof DataFolderInUse) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new EmbeddedUnavailable(`PostgreSQL cannot start in ${options.dataDir}: ${why}`, { cause: error });
  }
}

async function holdSoon(dataDir: string): Promise<{ release(): void }> {
  const deadline = performance.now() + HANDOVER_MS;
  for (;;) {
    try {
      return holdFolder(dataDir);
    } catch (error) {
      if (!(error instanceof DataFolderInUse) || performance.now() > deadline) throw error;
      await sleep(50);
    }
  }
}

async function startHeld(dataDir: string, options: EmbeddedOptions, release: () => void): Promise<EmbeddedPostgres> {
  const { durable = true, log = () => {} } = options;
  const folder = path.join(dataDir, 'postgres');
  const user = clusterUser(folder);
  const cluster: Cluster = { folder, programs: findPrograms(user), ...(user && { user }) };
  if (fs.existsSync(folder)) await takeOver(folder);
  else await initialise(cluster, durable);
  checkVersion(cluster);
  log(`PostgreSQL keeps its data in ${folder}${user === undefined ? '' : `, as uid ${user.uid}`}`);

  const child = runIn(cluster, 'postgres', settings(durable));
  const ready = Promise.withResolvers<'ready'>();
  const ended = follow(child, (line) => {
    if (line.includes('database system is ready to accept connections')) ready.resolve('ready');
    log(line);
  });
  const outcome = await within(READY_MS, Promise.race([ready.promise, ended]));
  if (outcome !== 'ready' || child.pid === undefined) {
    child.kill('SIGQUIT');
    await ended;
    const why = typeof outcome === 'string' ? `not ready after ${READY_MS / 1_000} s` : reasonOf(outcome.tail);
    throw new EmbeddedUnavailable(`PostgreSQL cannot start in ${folder}: ${why}`);
  }

  const { host, forget } = socketFolder(dataDir, folder);
  const exited = ended.then(forget);
  const stop = async () => {
    for (const [signal, patience] of shutdown) {
      child.kill(signal);
      if ((await within(patience, exited)) === 'late') continue;
      // Not before: also what has ended by itself belongs to whoever is about to say so.
      release();
      return;
    }
  };
  const connection = { host, port: PORT, user: 'postgres', database: 'postgres' };
  const url = `postgresql://postgres@localhost:${PORT}/postgres?host=${encodeURIComponent(host)}`;
  return { connection, url, pid: child.pid, exited, stop };
}

async function within<T>(ms: number, result: Promise<T>): Promise<T | 'late'> {
  const timer = new AbortController();
  const late = sleep(ms, 'late' as const, { signal: timer.signal }).catch(() => 'late' as const);
  try {
    return await Promise.race([result, late]);
  } finally {
    timer.abort();
  }
}

/** Given on the command line, so that they also reach clusters which an earlier version made. */
function settings(durable: boolean): string[] {
  const values = {
    listen_addresses: '',
    // Relative to the cluster, where PostgreSQL lives: a socket there has no path too long to bind.
    unix_socket_directories: '.',
    port: String(PORT),
    max_connections: '100',
    shared_buffers: '64MB',
    huge_pages: 'off',
    io_method: 'sync',
    jit: 'off',
    max_wal_size: '512MB',
    timezone: 'UTC',
    log_timezone: 'UTC',
    // One server alone: nothing replicates.
    wal_level: 'minimal',
    max_wal_senders: '0',
    max_logical_replication_workers: '0',
    // Errors go to whoever asked; in a log their text and statements would carry what users wrote.
    log_min_messages: 'log',
    log_min_error_statement: 'panic',
    log_error_verbosity: 'terse',
    log_checkpoints: 'off',
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}
