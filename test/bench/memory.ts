import { setTimeout as sleep } from 'node:timers/promises';
import type { Program } from './program.ts';
import type { Connection, ListenerCommands, Memory } from './protocol.ts';
import type { Figure } from './report.ts';
import { rounds } from './round.ts';
import type { Relay, Stage } from './stage.ts';
import { median } from './statistic.ts';

const subscribers = 5_000;
/** The first ones, with whom pools and caches grow to their size; the others are measured. */
const first = 1_000;
const repetitions = 3;

/** What a further connection costs its server. */
async function perConnection(
  listener: Program<ListenerCommands>,
  relay: Relay,
  connections: readonly Connection[],
): Promise<Memory> {
  const settled = async (): Promise<Memory> => {
    // Finished handshakes are let go of a little later.
    await sleep(300);
    return relay.program.ask('memory', null);
  };
  await listener.ask('open', { group: 'first', connections: connections.slice(0, first) });
  const before = await settled();
  const others = connections.slice(first);
  await listener.ask('open', { group: 'others', connections: others });
  const after = await settled();
  await listener.ask('close', { group: 'others' });
  await listener.ask('close', { group: 'first' });
  return {
    held: (after.held - before.held) / others.length,
    resident: (after.resident - before.resident) / others.length,
  };
}

/** (d) One idle subscriber, with its own user and its own conversation, against one idle `ws` connection. */
export async function memory(stage: Stage): Promise<Figure[]> {
  const listener = stage.listener();
  const owned = await stage.owners(subscribers);
  const rawRuns: Memory[] = [];
  const parleyRuns: Memory[] = [];
  for (const _round of rounds(repetitions - 1, 30)) {
    const raw = await stage.relay('raw.ts');
    const idle = owned.map((): Connection => ({ kind: 'ws', port: raw.port, path: '/idle' }));
    rawRuns.push(await perConnection(listener, raw, idle));
    await raw.program.stop();

    const server = await stage.server();
    const { port } = server;
    const subscribed = owned.map(({ conversation: conversationId, token }): Connection => {
      const params = { path: 'conversations.events', input: { json: { conversationId } } };
      return {
        kind: 'ws',
        port,
        token,
        path: '/trpc',
        message: JSON.stringify({ id: 1, method: 'subscription', params }),
      };
    });
    parleyRuns.push(await perConnection(listener, server, subscribed));
    await server.program.stop();
  }
  const kilobytes = (runs: readonly Memory[], key: keyof Memory): number[] => runs.map((run) => run[key] / 1024);
  const figure = (name: string, key: keyof Memory): Figure => ({
    case: `memory: one idle subscriber, ${name}`,
    figure: median(kilobytes(parleyRuns, key)),
    floor: median(kilobytes(rawRuns, key)),
    unit: 'KB',
    ...(key === 'held' && { bar: { of: 'ratio', atMost: 2 } }),
    runs: kilobytes(parleyRuns, key),
  });
  return [figure('objects and buffers', 'held'), figure('resident', 'resident')];
}
