import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EmbeddedUnavailable } from './embedded-failure.ts';

/** How long each signal may take, in milliseconds, before the next harder one: fast shutdown, immediate shutdown, the end. */
const steps: ReadonlyArray<readonly [NodeJS.Signals, number]> = [
  ['SIGINT', 5_000],
  ['SIGQUIT', 3_000],
  ['SIGKILL', 3_000],
];

/**
 * Ends whatever a killed server left running in `cluster`, then removes PostgreSQL's own lock files.
 * The caller holds the data folder, so nothing that runs there has an owner any more.
 *
 * PostgreSQL alone would refuse to start when the process id in its lock file has been given to some other program, and
 * removing that file while a backend lives would let two servers write the same pages: hence first the processes, by
 * the folder they live in, and only then the files.
 */
export async function takeOver(cluster: string): Promise<void> {
  for (const [signal, patience] of steps) {
    const deadline = performance.now() + patience;
    let left = processesIn(cluster);
    for (const pid of left) send(pid, signal);
    while (left.length > 0 && performance.now() < deadline) {
      await sleep(20);
      left = processesIn(cluster);
    }
    if (left.length > 0) continue;
    for (const file of fs.readdirSync(cluster)) {
      if (file === 'postmaster.pid' || file.startsWith('.s.PGSQL.')) fs.rmSync(path.join(cluster, file));
    }
    return;
  }
  throw new EmbeddedUnavailable(`a PostgreSQL that an earlier server left in ${cluster} cannot be ended`);
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has just ended.
  }
}

function processesIn(cluster: string): number[] {
  if (process.platform !== 'linux') return recorded(cluster);
  const folder = fs.statSync(cluster);
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && lives(name, folder))
    .map(Number);
}

/** Each of PostgreSQL's processes has the cluster's folder as its working directory. */
function lives(pid: string, folder: fs.Stats): boolean {
  try {
    const cwd = fs.statSync(`/proc/${pid}/cwd`);
    if (cwd.ino !== folder.ino || cwd.dev !== folder.dev) return false;
    return fs.readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'postgres';
  } catch {
    return false;
  }
}

function recorded(cluster: string): number[] {
  const file = path.join(cluster, 'postmaster.pid');
  if (!fs.existsSync(file)) return [];
  const pid = Number.parseInt(fs.readFileSync(file, 'utf8'), 10);
  const { stdout } = spawnSync('ps', ['-o', 'comm=', '-p', String(pid)], { encoding: 'utf8' });
  return path.basename(stdout.trim()) === 'postgres' ? [pid] : [];
}
