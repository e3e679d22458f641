import { RedisLog, type RedisLogOptions } from '@parley/server/live/redis';
import { type RedisConnections, redisConnections } from '@parley/server/live/redis-connect';
import { Redis } from 'ioredis';
import { type LiveBench, Replica } from './live-story.ts';

export interface RedisBench extends LiveBench {
  replicas: readonly [Replica, Replica];
  /** The replicas' connections. */
  connections: readonly [RedisConnections, RedisConnections];
  /** Why Redis was given up, each time. */
  losses: Error[];
  /** A connection of the test's own. */
  admin: Redis;
}

/** Two replicas on one Redis. */
export async function redisBench(url: string, options: RedisLogOptions & { prefix: string }): Promise<RedisBench> {
  const admin = new Redis(url, { retryStrategy: () => 50, maxRetriesPerRequest: null });
  admin.on('error', () => {});
  const patience = { commandTimeoutMs: 2 * (options.timeoutMs ?? 300) };
  const connections = [redisConnections(url, patience), redisConnections(url, patience)] as const;
  const losses: Error[] = [];
  const onState = (lost: Error | undefined) => {
    if (lost) losses.push(lost);
  };
  const logs = [
    new RedisLog(connections[0], { ...options, onState }),
    new RedisLog(connections[1], { ...options, onState }),
  ] as const;
  return {
    logs,
    replicas: [new Replica(logs[0]), new Replica(logs[1])],
    connections,
    losses,
    admin,
    async trim(conversationId) {
      await admin.xtrim(`${options.prefix}{${conversationId}}:stream`, 'MAXLEN', 5);
    },
    async close() {
      for (const log of logs) await log.close();
      for (const connection of connections) await connection.close();
      admin.disconnect();
    },
  };
}
