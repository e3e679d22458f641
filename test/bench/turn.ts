import type { Program } from './program.ts';
import type { TalkerCommands } from './protocol.ts';
import type { Figure } from './report.ts';
import { rounds } from './round.ts';
import type { Server, Stage } from './stage.ts';
import { median, quantile } from './statistic.ts';

/** Turns that run all the while, each a word every 20 ms, and those that are timed beside them. */
const running = { turns: 50, model: 'echo:150:20' };
const probes = { conversations: 10, turns: 150, repetitions: 3, model: 'echo:8' };
const costs = { turns: 100, repetitions: 3, conversations: 10, model: 'echo:50:5' };
const lengths = { short: 100, long: 100_000, turns: 40, repetitions: 5, model: 'echo:8' };

interface Talk {
  name: string;
  server: Server;
  talker: Program<TalkerCommands>;
}

interface Times {
  direct: number[];
  turn: number[];
}

/** How much later a first delta comes than the model's first piece does without Parley. */
function added({ direct, turn }: Times, q: number): number {
  return quantile(turn, q) - median(direct);
}

async function firstDeltas(stage: Stage, talks: readonly Talk[], provider: string): Promise<Figure[]> {
  const found = new Map<string, Times[]>();
  const conversations = new Map<Talk, { busy: string[]; probed: string[] }>();
  for (const talk of talks) {
    const { name, server, talker } = talk;
    const busy = await stage.conversations('talker', running.turns);
    const probed = await stage.conversations('talker', probes.conversations);
    const { port } = server;
    await talker.ask('open', { port, token: await stage.token('talker'), conversations: [...busy, ...probed] });
    conversations.set(talk, { busy, probed });
    found.set(`${name}, nothing else`, []);
    found.set(`${name}, ${running.turns} running`, []);
  }
  for (const round of rounds(probes.repetitions, 40)) {
    for (const [{ name, talker }, { busy, probed }] of conversations) {
      const probe = { conversations: probed, model: probes.model, turns: probes.turns, provider };
      const alone = await talker.ask('probe', probe);
      await talker.ask('keep', { conversations: busy, model: running.model });
      const beside = await talker.ask('probe', probe);
      await talker.ask('rest', null);
      if (round === 0) continue;
      found.get(`${name}, nothing else`)?.push(alone);
      found.get(`${name}, ${running.turns} running`)?.push(beside);
    }
  }
  const figures: Figure[] = [];
  for (const [name, all] of found) {
    const busy = name.endsWith('running');
    for (const [key, q, atMost] of [
      ['p50', 0.5, 3],
      ['p99', 0.99, 15],
    ] as const) {
      const runs = all.map((times) => added(times, q));
      figures.push({
        case: `turn: added to first delta, ${name}, ${key}`,
        figure: median(runs),
        unit: 'ms',
        ...(busy && { bar: { of: 'figure', atMost } }),
        runs,
      });
    }
    const direct = median(all.flatMap((times) => times.direct));
    figures.push({ case: '  the model itself', figure: direct, unit: 'ms' });
  }
  return figures;
}

async function cpuPerTurn(
  { server, talker }: Talk,
  conversations: readonly string[],
  { turns, model }: { turns: number; model: string },
): Promise<{ cpuMs: number; firstDelta: number }> {
  const before = await server.program.ask('cpuMs', null);
  const times = await talker.ask('turns', { conversations, model, turns });
  return { cpuMs: ((await server.program.ask('cpuMs', null)) - before) / turns, firstDelta: median(times) };
}

async function cost(stage: Stage, talks: readonly Talk[]): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const talk of talks) {
    const conversations = await stage.conversations('talker', costs.conversations);
    const { port } = talk.server;
    await talk.talker.ask('open', { port, token: await stage.token('talker'), conversations });
    const runs: number[] = [];
    for (const round of rounds(costs.repetitions, 12)) {
      const { cpuMs } = await cpuPerTurn(talk, conversations, costs);
      if (round > 0) runs.push(cpuMs);
    }
    figures.push({ case: `turn: server CPU of 50 deltas, ${talk.name}`, figure: median(runs), unit: 'ms', runs });
  }
  return figures;
}

/** The same turn on short and on long conversations, each round on short ones that have not grown yet. */
async function lengthsOfHistory(stage: Stage, talk: Talk): Promise<Figure[]> {
  const token = await stage.token('talker');
  const { port } = talk.server;
  const open = async (count: number, messages: number): Promise<string[]> => {
    const conversations = await stage.conversations('talker', count, messages);
    await talk.talker.ask('open', { port, token, conversations });
    return conversations;
  };
  const long = await open(2, lengths.long);
  const short = await open(2 * (lengths.repetitions + 1), lengths.short);
  await stage.analyze();
  const found = {
    short: { cpu: [] as number[], delta: [] as number[] },
    long: { cpu: [] as number[], delta: [] as number[] },
  };
  const first = { short: [] as number[], long: [] as number[] };
  for (const round of rounds(lengths.repetitions, 25)) {
    for (const [kind, conversations] of [
      ['short', short.splice(0, 2)],
      ['long', long],
    ] as const) {
      const cold = await talk.talker.ask('turns', { conversations, model: lengths.model, turns: 2 });
      if (kind === 'short' || round === 0) first[kind].push(...cold);
      const { cpuMs, firstDelta } = await cpuPerTurn(talk, conversations, lengths);
      if (round === 0) continue;
      found[kind].cpu.push(cpuMs);
      found[kind].delta.push(firstDelta);
    }
  }
  const bar = { of: 'ratio', atMost: 1.2 } as const;
  return [
    {
      case: 'turn: server CPU, 100,000 messages against 100',
      figure: median(found.long.cpu),
      floor: median(found.short.cpu),
      unit: 'ms',
      bar,
      runs: found.long.cpu,
    },
    {
      case: 'turn: first delta, 100,000 messages against 100',
      figure: median(found.long.delta),
      floor: median(found.short.delta),
      unit: 'ms',
      bar,
      runs: found.long.delta,
    },
    {
      case: 'turn: first delta, nothing cached, the same',
      figure: median(first.long),
      floor: median(first.short),
      unit: 'ms',
    },
  ];
}

/** (b) What Parley adds to a model: time to the first delta, and CPU; and whether a long history matters. */
export async function turn(stage: Stage): Promise<Figure[]> {
  const provider = await stage.provider();
  const talk = async (name: string, redisUrl?: string): Promise<Talk> => ({
    name,
    server: await stage.server({ redisUrl, providerUrl: provider }),
    talker: stage.talker(),
  });
  const memory = await talk('memory');
  const talks = [memory, ...(stage.redisUrl === undefined ? [] : [await talk('Redis', stage.redisUrl)])];
  return [
    ...(await firstDeltas(stage, talks, provider)),
    ...(await cost(stage, talks)),
    ...(await lengthsOfHistory(stage, memory)),
  ];
}
