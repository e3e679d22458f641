import { subscribe } from 'node:diagnostics_channel';
import { writeSync } from 'node:fs';
import type { Fault, FromReplica, ToReplica } from './replica.ts';

// A server of its own process for tests that break it: the real program, with a fault that strikes at a step of a turn.
// Reads CLOCK_OFFSET_MS: how far this process's wall clock is from the truth.

const faults = new Set<Fault>();

function isOrder(message: unknown): message is ToReplica {
  return typeof message === 'object' && message !== null && 'fault' in message;
}

function isStep(message: unknown): message is { step: string; id: string } {
  return typeof message === 'object' && message !== null && 'step' in message && 'id' in message;
}

process.on('message', (message) => {
  if (!isOrder(message)) return;
  faults.add(message.fault);
  process.send?.({ call: message.call } satisfies FromReplica);
});

subscribe('parley:turn', (message) => {
  if (!isStep(message)) return;
  for (const fault of faults) {
    if (fault.step !== message.step || (fault.id !== undefined && fault.id !== message.id)) continue;
    faults.delete(fault);
    // Written before anything else can happen: the process may not live to send it.
    writeSync(1, `\nfault ${message.step} ${message.id}\n`);
    process.kill(process.pid, fault.signal);
    return;
  }
});

const offset = Number(process.env.CLOCK_OFFSET_MS ?? 0);
if (offset !== 0) {
  const now = Date.now;
  const shifted = (): number => now() + offset;
  globalThis.Date = new Proxy(Date, {
    construct: (target, args, newTarget) =>
      Reflect.construct(
        target,
        args.length === 0 ? [shifted()] : args,
        newTarget === globalThis.Date ? target : newTarget,
      ),
    apply: (target) => new target(shifted()).toString(),
    get: (target, key, receiver) => (key === 'now' ? shifted : Reflect.get(target, key, receiver)),
  });
}

await import('@parley/server/boot/main');
