import type { Program } from './program.ts';
import type { ListenerCommands } from './protocol.ts';
import type { Figure } from './report.ts';
import { rounds } from './round.ts';
import { median } from './statistic.ts';
import type { Way } from './way.ts';

export interface Measured {
  /** Events that arrived in a second. */
  perSecond: number;
  /** CPU of the server and of the listeners for one of them, in microseconds. */
  serverUs: number;
  listenerUs: number;
}

export interface Race {
  events: number;
  subscribers: number;
  audio: boolean;
  repetitions: number;
  seconds: number;
}

/** As fast as it goes: from the first event's appending to the last one's receipt. */
async function once(listener: Program<ListenerCommands>, way: Way, race: Race): Promise<Measured> {
  const { name, relay, topics } = way;
  const { events, audio } = race;
  const total = events * race.subscribers;
  await listener.ask('reset', { group: name, record: 0 });
  const before = { server: await relay.program.ask('cpuMs', null), listener: await listener.ask('cpuMs', null) };
  const received = listener.ask('received', { group: name, events: total });
  const [{ startedAt }, { at }] = await Promise.all([
    relay.program.ask('produce', { topics, events, audio }),
    received,
  ]);
  const serverMs = (await relay.program.ask('cpuMs', null)) - before.server;
  const listenerMs = (await listener.ask('cpuMs', null)) - before.listener;
  return {
    perSecond: (total * 1000) / (at - startedAt),
    serverUs: (serverMs * 1000) / total,
    listenerUs: (listenerMs * 1000) / total,
  };
}

/** Races the ways against each other in turns, so that what else the machine does meets all of them. */
export async function compare(
  listener: Program<ListenerCommands>,
  ways: readonly Way[],
  race: Race,
): Promise<Map<string, Measured[]>> {
  const runs = new Map<string, Measured[]>(ways.map(({ name }) => [name, []]));
  for (const round of rounds(race.repetitions, race.seconds)) {
    for (const way of ways) {
      const measured = await once(listener, way, race);
      if (round > 0) runs.get(way.name)?.push(measured);
    }
  }
  return runs;
}

/** The figures of a race, each against the raw relay's; `bars`: the least ratios of some. */
export function throughput(
  label: string,
  found: ReadonlyMap<string, readonly Measured[]>,
  bars: Readonly<Record<string, number>>,
): Figure[] {
  const figures: Figure[] = [];
  const all = (name: string, key: keyof Measured): number[] => (found.get(name) ?? []).map((run) => run[key]);
  for (const name of found.keys()) {
    const atLeast = bars[name];
    const runs = all(name, 'perSecond');
    figures.push({
      case: `${label}: ${name}`,
      figure: median(runs),
      unit: 'events/s',
      ...(name !== 'raw' && { floor: median(all('raw', 'perSecond')) }),
      ...(atLeast !== undefined && { bar: { of: 'ratio', atLeast } }),
      runs,
    });
    figures.push({
      case: '  CPU of the server, an event',
      figure: median(all(name, 'serverUs')),
      unit: 'µs',
      ...(name !== 'raw' && { floor: median(all('raw', 'serverUs')) }),
      clientUs: median(all(name, 'listenerUs')),
    });
  }
  return figures;
}
