import { Redis } from 'ioredis';

export interface RedisConnections {
  /** For commands: pipelined, each answered or failed within the time limit, none kept for later. */
  command: Redis;
  /** For subscriptions only. */
  subscriber: Redis;
  /** Settles when both are usable for the first time, or after two seconds. Never rejects. */
  ready: Promise<void>;
  close(): Promise<void>;
}

const firstReadyMs = 2_000;

/**
 * Connects to one Redis in the background and goes on trying, at most half a second apart. What cannot be sent fails at
 * once, so that a Redis that is gone costs its callers nothing and one that hangs costs them `commandTimeoutMs`.
 * @param onError Told of every connection error; they need no handling.
 */
export function redisConnections(
  url: string,
  { commandTimeoutMs = 500, onError = () => {} }: { commandTimeoutMs?: number; onError?: (error: Error) => void } = {},
): RedisConnections {
  const options = {
    commandTimeout: commandTimeoutMs,
    connectTimeout: 2_000,
    enableOfflineQueue: false,
    // A command that may have been carried out must not be carried out again.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt: number) => Math.min(50 * attempt, 500),
  };
  const command = new Redis(url, { ...options, enableAutoPipelining: true });
  // Subscriptions are renewed by whoever made them, who then knows that something may have been missed.
  const subscriber = new Redis(url, { ...options, autoResubscribe: false });
  const connections = [command, subscriber];
  for (const connection of connections) connection.on('error', onError);
  return {
    command,
    subscriber,
    ready: firstReady(connections),
    async close() {
      for (const connection of connections) connection.disconnect();
    },
  };
}

async function firstReady(connections: readonly Redis[]): Promise<void> {
  const patience = Promise.withResolvers<void>();
  const timer = setTimeout(patience.resolve, firstReadyMs);
  const all = connections.map(
    (connection) => new Promise<void>((resolve) => connection.once('ready', () => resolve())),
  );
  const ended = connections.map(
    (connection) => new Promise<void>((resolve) => connection.once('end', () => resolve())),
  );
  await Promise.race([Promise.all(all), patience.promise, ...ended]);
  clearTimeout(timer);
}
