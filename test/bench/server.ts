import { loadHistory } from '@parley/db/repository/message';
import { decide } from '@parley/server/boot/config';
import { readEnvironment } from '@parley/server/boot/env';
import { createLogger } from '@parley/server/boot/log';
import { type Server, serve } from '@parley/server/boot/serve';
import { historyMessages } from '@parley/server/history/port';
import { RedisHistory } from '@parley/server/history/redis';
import { Encoded } from '@parley/server/live/encode';
import { redisConnections } from '@parley/server/live/redis-connect';
import { newId } from '@parley/shared/id';
import { answerCommands, usage } from './answer.ts';
import { audio, delta } from './payload.ts';
import { produce } from './produce.ts';
import type { HistoryTimes, RelayCommands, ServerCommands } from './protocol.ts';

// Parley's own server, whole, with an event log to append to and a history to read.

let server: Server | undefined;
let redisUrl: string | undefined;

function app() {
  if (!server) throw new Error('not started');
  return server.running.app;
}

async function start(environment: Record<string, string>): Promise<{ url: string }> {
  const config = decide(readEnvironment(environment));
  redisUrl = config.redisUrl;
  server = await serve(config, createLogger({ level: config.logLevel }));
  return { url: server.url };
}

/** As a turn's recorder appends, but for its record in PostgreSQL, which is part of a turn's time. */
const append: (production: RelayCommands['produce']['in']) => Promise<{ startedAt: number }> = (production) => {
  const { log } = app().turns;
  const turnId = newId();
  const begun = new Set<string>();
  return produce(production, (topic) => {
    const begins = !begun.has(topic);
    begun.add(topic);
    const event = production.audio
      ? { ...audio, conversationId: topic, turnId, at: Date.now() }
      : { ...delta, conversationId: topic, turnId, at: Date.now() };
    return log.append({
      conversationId: topic,
      events: [Encoded.of(event)],
      turn: { id: turnId, generation: 1, begins },
    });
  });
};

async function time(reads: number, read: () => Promise<unknown>): Promise<number> {
  await read();
  const startedAt = performance.now();
  for (let i = 0; i < reads; i++) await read();
  return (performance.now() - startedAt) / reads;
}

async function history({ conversationId, reads }: { conversationId: string; reads: number }): Promise<HistoryTimes> {
  const { db, turns } = app();
  const load = () => loadHistory(db, conversationId, historyMessages);
  const found = await load();
  if (!found) throw new Error('no such conversation');
  const connections = redisUrl === undefined ? undefined : redisConnections(redisUrl);
  try {
    await connections?.ready;
    const far = connections && new RedisHistory(connections.command);
    await far?.put(conversationId, found);
    return {
      cached: await time(reads, () => turns.history.read(conversationId, found.revision)),
      shared: far ? await time(reads, () => far.get(conversationId)) : null,
      loaded: await time(reads, load),
      messages: found.messages.length,
    };
  } finally {
    await connections?.close();
  }
}

answerCommands<ServerCommands>({ start, ...usage, produce: append, history, subscriptions: () => app().feed.size });
