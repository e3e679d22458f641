import { latency, type Pace } from './latency.ts';
import type { Figure } from './report.ts';
import type { Stage } from './stage.ts';
import { median } from './statistic.ts';
import { compare, type Race, throughput } from './throughput.ts';
import { close, open, parleyWay, rawWay, stockWay } from './way.ts';

const subscribers = 500;
const deltas: Race = { events: 200, subscribers, audio: false, repetitions: 7, seconds: 45 };
const chunks: Race = { events: 40, subscribers, audio: true, repetitions: 5, seconds: 15 };
const pace: Pace = { perSecond: 25_000, subscribers, seconds: 2, repetitions: 3 };

/** (a) Many subscribers, one event a tick; and how late an event is at a steady pace. */
export async function stream(stage: Stage): Promise<Figure[]> {
  const { redisUrl } = stage;
  const [raw, stock, memory, redis] = await Promise.all([
    stage.relay('raw.ts'),
    stage.relay('stock.ts'),
    stage.server(),
    redisUrl === undefined ? undefined : stage.server({ redisUrl }),
  ]);
  const listener = stage.listener();

  const ways = [
    rawWay(raw, ['one']),
    await parleyWay(stage, memory, { name: 'Parley JSON', transport: 'json', topics: 1 }),
    await parleyWay(stage, memory, { name: 'Parley binary', transport: 'binary', topics: 1 }),
    await parleyWay(stage, memory, { name: 'Parley SSE', transport: 'sse', topics: 1 }),
    stockWay(stock, ['one']),
  ];
  if (redis) {
    ways.push(
      await parleyWay(stage, redis, { name: 'Parley JSON, Redis', transport: 'json', topics: 1 }),
      await parleyWay(stage, redis, { name: 'Parley binary, Redis', transport: 'binary', topics: 1 }),
    );
  }
  await open(listener, ways, subscribers);
  const raced = await compare(listener, ways, deltas);
  const figures = throughput('stream', raced, {
    'Parley JSON': 0.8,
    'Parley binary': 0.8,
    'Parley JSON, Redis': 0.8,
    'Parley binary, Redis': 0.8,
    'Parley SSE': 0.6,
  });
  const speed = (name: string): number => median((raced.get(name) ?? []).map(({ perSecond }) => perSecond));
  figures.push({
    case: 'stream: Parley JSON against stock tRPC',
    figure: speed('Parley JSON'),
    floor: speed('stock'),
    unit: 'events/s',
    bar: { of: 'ratio', atLeast: 2.5 },
  });
  const heard = ways.filter(({ name }) => ['raw', 'Parley JSON', 'Parley binary'].includes(name));
  figures.push(...throughput('audio of 16 KB', await compare(listener, heard, chunks), { 'Parley binary': 0.8 }));
  const together = ways.filter(({ name }) => ['raw', 'Parley JSON', 'Parley SSE', 'stock'].includes(name));
  figures.push(
    ...(await latency(listener, together, 'latency at 25,000/s, one conversation', pace, { 'Parley JSON': 3 })),
  );
  await close(listener, ways);

  const topics = Array.from({ length: subscribers }, (_, i) => String(i));
  const apart = [
    rawWay(raw, topics),
    await parleyWay(stage, memory, { name: 'Parley JSON', transport: 'json', topics: subscribers }),
    await parleyWay(stage, memory, { name: 'Parley SSE', transport: 'sse', topics: subscribers }),
    stockWay(stock, topics),
  ];
  await open(listener, apart, 1);
  // No bar: as many appends as deliveries, whose keeping for an hour is most of the work and which a relay has not.
  figures.push(...(await latency(listener, apart, 'latency at 25,000/s, 500 conversations', pace, {})));
  await close(listener, apart);
  return figures;
}
