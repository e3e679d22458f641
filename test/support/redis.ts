import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { spawnBound } from '@parley/db/embedded-child';
import { findRedis, RedisUnavailable, redisEnvironment } from './redis-binary.ts';

const READY_MS = 20_000;
const PORT_ATTEMPTS = 5;

export interface RedisProcess {
  /** `redis://127.0.0.1:<port>` */
  url: string;
  port: number;
  pid: number;
  /** Sends a signal: SIGSTOP and SIGCONT to freeze and thaw, SIGKILL to crash. */
  kill(signal: NodeJS.Signals): void;
  /** Settles when the process has ended. Never rejects. */
  exited: Promise<void>;
  /** Ends it at once, also when frozen. Nothing is saved. */
  stop(): Promise<void>;
}

/**
 * A Redis of a test's own, empty, without persistence. It dies with this process. `port` starts a killed one's successor.
 * Throws `RedisUnavailable` where none can be found or fetched.
 */
export async function startRedis(options: { port?: number } = {}): Promise<RedisProcess> {
  const binary = await findRedis();
  for (let attempt = 1; ; attempt += 1) {
    const started = await startOn(options.port ?? (await freePort()), binary.command, binary.libraries);
    if (typeof started !== 'string') return started;
    // Between finding a free port and binding it, someone else may have taken it.
    const taken = started.includes('Address already in use') && options.port === undefined;
    if (!taken || attempt === PORT_ATTEMPTS) throw new RedisUnavailable(`redis-server does not start: ${started}`);
  }
}

/** Resolves to the running process, or to the output of one that ended or stayed silent. */
async function startOn(port: number, command: string, libraries: readonly string[]): Promise<RedisProcess | string> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'parley-test-redis-'));
  const words = `--port ${port} --bind 127.0.0.1 --dir ${folder} --databases 1024 --appendonly no`.split(' ');
  const child = spawnBound(command, [...words, '--save', ''], {
    signal: 'SIGKILL',
    cwd: folder,
    env: redisEnvironment(libraries),
  });
  let output = '';
  const ready = Promise.withResolvers<boolean>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      output = `${output}${line}\n`.slice(-4_000);
      if (line.includes('Ready to accept connections')) ready.resolve(true);
    });
  }
  const exited = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('close', () => resolve());
  }).then(() => fs.rmSync(folder, { recursive: true, force: true }));
  exited.then(() => ready.resolve(false));
  const limit = setTimeout(() => ready.resolve(false), READY_MS);
  const isReady = await ready.promise;
  clearTimeout(limit);
  const stop = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  if (isReady && child.pid !== undefined) {
    const url = `redis://127.0.0.1:${port}`;
    return { url, port, pid: child.pid, kill: (signal) => child.kill(signal), exited, stop };
  }
  await stop();
  return output.trim();
}

function freePort(): Promise<number> {
  const server = net.createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
