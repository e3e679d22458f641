import type { Program } from './program.ts';
import type { ListenerCommands } from './protocol.ts';
import type { Figure } from './report.ts';
import { rounds } from './round.ts';
import { median } from './statistic.ts';
import type { Way } from './way.ts';

export interface Pace {
  /** Events delivered in a second, to all subscribers together. */
  perSecond: number;
  subscribers: number;
  seconds: number;
  repetitions: number;
}

type Late = Record<'p50' | 'p99', number>;

async function once(listener: Program<ListenerCommands>, way: Way, pace: Pace): Promise<Late> {
  const { name, relay, topics } = way;
  const fanOut = pace.subscribers / topics.length;
  const perSecond = pace.perSecond / fanOut;
  const events = perSecond * pace.seconds;
  await listener.ask('reset', { group: name, record: events / topics.length });
  const received = listener.ask('received', { group: name, events: events * fanOut });
  const produced = relay.program.ask('produce', { topics, events, audio: false, perSecond });
  const [{ startedAt }] = await Promise.all([produced, received]);
  return listener.ask('lateness', { group: name, startedAt, everyMs: 1000 / perSecond, fanOut });
}

/** How long an event takes from when it is due at its producer to its receipt, at a steady pace. `bars`: of the p99. */
export async function latency(
  listener: Program<ListenerCommands>,
  ways: readonly Way[],
  label: string,
  pace: Pace,
  bars: Readonly<Record<string, number>>,
): Promise<Figure[]> {
  const late = new Map<string, Late[]>(ways.map(({ name }) => [name, []]));
  for (const round of rounds(pace.repetitions, 30)) {
    for (const way of ways) {
      const measured = await once(listener, way, pace);
      if (round > 0) late.get(way.name)?.push(measured);
    }
  }
  const figures: Figure[] = [];
  for (const key of ['p50', 'p99'] as const) {
    const all = (name: string): number[] => (late.get(name) ?? []).map((measured) => measured[key]);
    for (const name of late.keys()) {
      const atMost = key === 'p99' ? bars[name] : undefined;
      figures.push({
        case: `${label}, ${key}: ${name}`,
        figure: median(all(name)),
        unit: 'ms',
        ...(name !== 'raw' && { floor: median(all('raw')) }),
        ...(atMost !== undefined && { bar: { of: 'ratio', atMost } }),
        runs: all(name),
      });
    }
  }
  return figures;
}
