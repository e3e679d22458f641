import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';

// A terminal's Ctrl-C reaches every process of its group, and npm passes on what it gets: one press, several signals.
const SAME_SIGNAL_MS = 500;
const NPM_CHECK_MS = 250;

/**
 * Runs a program on `node` with this process's input and output, passes signals on, and resolves to its exit code.
 * The program has an IPC channel that closes when this process ends, however it ends: see `onParentGone`.
 *
 * `ownGroup: true` takes the program out of the terminal's group: it gets each signal once, from here. A program that
 * reads the terminal must stay in the group; the terminal itself then delivers Ctrl-C to it.
 * `onStart` is given the process, to speak with it over that channel.
 */
export function launch(node, args, { ownGroup, onStart = () => {} }) {
  const stdio = ['inherit', 'inherit', 'inherit', 'ipc'];
  const child = spawn(node, args, { stdio, env: withCompileCache(process.env), detached: ownGroup });
  onStart(child);
  const terminalDelivers = !ownGroup && hasTerminal();
  const latest = new Map();
  const pass = (signal) => {
    const since = performance.now() - (latest.get(signal) ?? Number.NEGATIVE_INFINITY);
    if (since < SAME_SIGNAL_MS || (signal === 'SIGINT' && terminalDelivers)) return;
    latest.set(signal, performance.now());
    child.kill(signal);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, pass);
  // A server is not to drain then: its folder and its port are for the next start, which does not wait that long.
  whenNpmGone(() => (ownGroup ? child.connected && child.disconnect() : pass('SIGTERM')));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? 128 + os.constants.signals[signal]));
  });
}

/** Stripping types and compiling is half of a start, and its result can be kept: for what is started from there too. */
function withCompileCache(env) {
  return { NODE_COMPILE_CACHE: fileURLToPath(new URL('../../node_modules/.cache/compile', import.meta.url)), ...env };
}

/** A killed npm cannot pass anything on. Only under npm: elsewhere the parent may end and mean the program to stay. */
function whenNpmGone(gone) {
  if (process.env.npm_lifecycle_event === undefined) return;
  const npm = process.ppid;
  const check = setInterval(() => {
    if (process.ppid === npm) return;
    clearInterval(check);
    gone();
  }, NPM_CHECK_MS);
}

function hasTerminal() {
  try {
    fs.closeSync(fs.openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}
