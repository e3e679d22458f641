import type { HistoryTimes } from './protocol.ts';
import type { Figure } from './report.ts';
import { rounds } from './round.ts';
import type { Stage } from './stage.ts';
import { median } from './statistic.ts';

const reads = 200;
const repetitions = 5;
const lengths = [100, 100_000] as const;

interface Read {
  page: number[];
  histories: HistoryTimes[];
}

/** (c) The last 50 messages for a screen, and the history that a prompt is made from, of short and long conversations. */
export async function history(stage: Stage): Promise<Figure[]> {
  const server = await stage.server({ redisUrl: stage.redisUrl });
  const talker = stage.talker();
  const found = new Map<number, Read & { conversation: string }>();
  for (const length of lengths) {
    const [conversation = ''] = await stage.conversations('reader', 1, length);
    found.set(length, { conversation, page: [], histories: [] });
  }
  await stage.analyze();
  const conversations = [...found.values()].map(({ conversation }) => conversation);
  await talker.ask('open', { port: server.port, token: await stage.token('reader'), conversations });
  for (const round of rounds(repetitions, 20)) {
    for (const { conversation, page, histories } of found.values()) {
      const times = await talker.ask('messages', { conversation, reads });
      const read = await server.program.ask('history', { conversationId: conversation, reads });
      if (round === 0) continue;
      page.push(median(times));
      histories.push(read);
    }
  }
  const [short, long] = lengths.map((length) => found.get(length));
  if (!short || !long) throw new Error('nothing was read');
  const figures: Figure[] = [
    {
      case: 'history: last 50 by a client, 100,000 messages against 100',
      figure: median(long.page),
      floor: median(short.page),
      unit: 'ms',
    },
  ];
  for (const [name, read] of [
    ['100', short],
    ['100,000', long],
  ] as const) {
    const loaded = median(read.histories.map((times) => times.loaded));
    const add = (how: string, values: (number | null)[]): void => {
      const known = values.filter((value) => value !== null);
      if (known.length === 0) return;
      figures.push({ case: `history: prompt's, of ${name}, ${how}`, figure: median(known), floor: loaded, unit: 'ms' });
    };
    figures.push({ case: `history: prompt's, of ${name}, PostgreSQL`, figure: loaded, unit: 'ms' });
    add(
      'Redis',
      read.histories.map((times) => times.shared),
    );
    add(
      'memory',
      read.histories.map((times) => times.cached),
    );
  }
  return figures;
}
