import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import type { Readable } from 'node:stream';

export interface BoundOptions {
  /** What the child gets when this process ends, however it ends. */
  signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL';
  cwd: string;
  env: NodeJS.ProcessEnv;
  /** Run as another user; only root may. */
  uid?: number;
  gid?: number;
  /** Bind through a watching shell even where the kernel could do it. */
  watchdog?: boolean;
}

export type BoundChild = ChildProcessByStdio<null, Readable, Readable>;

/**
 * Starts a child that does not outlive this process, not even after SIGKILL.
 * It has its own session: a Ctrl-C in the terminal reaches this process only, which then ends the child in its own time.
 *
 * On Linux the kernel signals the child when its parent dies. Elsewhere a shell holds the other end of a pipe: when the
 * pipe closes, its writer is gone.
 */
export function spawnBound(command: string, args: readonly string[], options: BoundOptions): BoundChild {
  const { signal, watchdog, ...rest } = options;
  const kernel = watchdog !== true && kernelSignals();
  const [program, ...words] = kernel ? ['setpriv', '--pdeathsig', signal, command, ...args] : [command, ...args];
  const child = spawn(program, words, { ...rest, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  if (!kernel) watch(child, signal, rest);
  return child;
}

function watch(child: BoundChild, signal: string, user: { uid?: number; gid?: number }): void {
  if (child.pid === undefined) return;
  const script = 'read -r line; kill -s "$1" "$2"';
  const ids = { ...(user.uid !== undefined && { uid: user.uid }), ...(user.gid !== undefined && { gid: user.gid }) };
  const shell = spawn('sh', ['-c', script, 'sh', signal.slice('SIG'.length), String(child.pid)], {
    ...ids,
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  shell.on('error', () => {});
  child.once('exit', () => shell.kill('SIGKILL'));
}

let probed: boolean | undefined;

/** Whether util-linux's setpriv is here; busybox has one that lacks the option. */
function kernelSignals(): boolean {
  probed ??= process.platform === 'linux' && spawnSync('setpriv', ['--pdeathsig', 'SIGKILL', 'true']).status === 0;
  return probed;
}
