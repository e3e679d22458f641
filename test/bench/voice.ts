import { readFileSync } from 'node:fs';
import { newId } from '@parley/shared/id';
import type { Segment } from './conversation.ts';
import { ConversationClient } from './conversation.ts';
import type { Services } from './protocol.ts';
import type { Figure } from './report.ts';
import { rounds } from './round.ts';
import type { Server, Stage } from './stage.ts';
import { median } from './statistic.ts';
import { audioBytes, openTap } from './tap.ts';
import { connectionOf, type Transport } from './way.ts';

/** Every service takes this long, whatever it is asked. */
const fixedMs = 60;
const model = `echo:1:${fixedMs}`;
const speechModel = `fixed:${fixedMs}`;
const spoken = { conversations: 5, turns: 12, repetitions: 2 };

/** Speech of so many seconds out of a fixture, cut into so many segments. */
function speechOf(seconds: number, count: number): Segment[] {
  const file = readFileSync(new URL('../fixture/format.wav', import.meta.url));
  const sampleRate = 16_000;
  const from = file.indexOf('data') + 8;
  const bytes = (seconds / count) * sampleRate * 2;
  return Array.from({ length: count }, (_, i) => {
    const data = file.subarray(from + i * bytes, from + (i + 1) * bytes).toString('base64');
    return { format: 'pcm_s16le', sampleRate, data };
  });
}

const recordings = [
  { name: 'in segments of 1 s', segments: speechOf(3, 3), isBarred: true },
  { name: '3 s at once', segments: speechOf(3, 1), isBarred: false },
] as const;

/** How much later the first sound comes than it comes from the services alone. */
async function firstAudio(stage: Stage, name: string, server: Server, services: Services): Promise<Figure[]> {
  const talker = stage.talker();
  const conversations = await stage.conversations('speaker', spoken.conversations);
  await talker.ask('open', { port: server.port, token: await stage.token('speaker'), conversations });
  const figures: Figure[] = [];
  for (const { name: how, segments, isBarred } of recordings) {
    const added: number[] = [];
    const alone: number[] = [];
    for (const round of rounds(spoken.repetitions, 20)) {
      const { turns } = spoken;
      const input = { conversations, model, segments, turns, services: { ...services, speechModel } };
      const { direct, turn } = await talker.ask('speak', input);
      if (round === 0) continue;
      added.push(median(turn) - median(direct));
      alone.push(median(direct));
    }
    figures.push({
      case: `voice: added from end of speech to first audio, ${how}, ${name}, p50`,
      figure: median(added),
      unit: 'ms',
      ...(isBarred && { bar: { of: 'figure', atMost: 30 } }),
      runs: added,
    });
    figures.push({ case: `  the services alone (${3 * fixedMs} ms by design)`, figure: median(alone), unit: 'ms' });
  }
  return figures;
}

const transports: Readonly<Record<Transport, { name: string; atMost: number }>> = {
  binary: { name: '/trpc/binary', atMost: 1.03 },
  json: { name: '/trpc, WebSocket', atMost: 1.36 },
  sse: { name: '/trpc, server-sent events', atMost: 1.36 },
};

/** What the sound of one spoken answer costs on a subscriber's socket, against the sound itself. */
async function wireBytes(stage: Stage, { port }: Server): Promise<Figure[]> {
  const [conversationId = ''] = await stage.conversations('speaker', 1);
  const token = await stage.token('speaker');
  const figures: Figure[] = [];
  for (const transport of ['binary', 'json', 'sse'] as const) {
    const connection = connectionOf(transport, { port, token, conversationId });
    const tap = await openTap(connection);
    const client = await ConversationClient.open(port, token, conversationId);
    const turnId = newId();
    const parts = [{ type: 'text', text: 'Where did you grow up, and whom do you remember from there?' }];
    await client.call('mutation', 'turns.send', { conversationId, turnId, parts, speak: true, model: 'echo:40' });
    await tap.until('"type":"turn.completed"');
    const { raw, wire } = audioBytes(connection.kind, tap.body());
    tap.close();
    client.close();
    const { name, atMost } = transports[transport];
    const bar = { of: 'ratio', atMost } as const;
    figures.push({ case: `voice: audio on ${name}`, figure: wire / 1024, floor: raw / 1024, unit: 'KB', bar });
  }
  return figures;
}

/** (e) What Parley adds to services of a fixed delay between the end of speech and the first sound; and sound on the wire. */
export async function voice(stage: Stage): Promise<Figure[]> {
  const services = await stage.services();
  const variables = {
    LLM_MODEL: model,
    STT_PROVIDER: 'openai',
    STT_BASE_URL: services.speech,
    STT_MODEL: speechModel,
    TTS_PROVIDER: 'openai',
    TTS_BASE_URL: services.speech,
    TTS_MODEL: speechModel,
  };
  const start = (redisUrl?: string): Promise<Server> =>
    stage.server({ redisUrl, providerUrl: services.provider, variables });
  const memory = await start();
  const figures = await firstAudio(stage, 'memory', memory, services);
  if (stage.redisUrl !== undefined)
    figures.push(...(await firstAudio(stage, 'Redis', await start(stage.redisUrl), services)));
  return [...figures, ...(await wireBytes(stage, memory))];
}
