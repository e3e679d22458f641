import { messageInEvent } from '@parley/shared/message';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { History, HistoryCache } from './port.ts';

const stored = z.object({ revision: z.number(), messages: z.array(messageInEvent) });

/** Kept only when nothing newer is there. KEYS: the entry. ARGV: revision, value, milliseconds to live. */
const compareAndSet = `
local held = redis.call('HGET', KEYS[1], 'revision')
if held and tonumber(held) >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'revision', ARGV[1], 'value', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
`;

export interface RedisHistoryOptions {
  prefix?: string;
  ttlMs?: number;
  /** Told of failures; each is answered as a miss. */
  onError?: (error: unknown) => void;
}

/** A cache that replicas share. Anything that goes wrong with it is a miss. */
export class RedisHistory implements HistoryCache {
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #ttlMs: number;
  readonly #onError: (error: unknown) => void;

  constructor(redis: Redis, options: RedisHistoryOptions = {}) {
    this.#redis = redis;
    this.#prefix = options.prefix ?? 'parley:history';
    this.#ttlMs = options.ttlMs ?? 24 * 3_600_000;
    this.#onError = options.onError ?? (() => undefined);
  }

  async get(conversationId: string): Promise<History | undefined> {
    return await this.#quietly(async () => {
      const value = await this.#redis.hget(this.#key(conversationId), 'value');
      return value === null ? undefined : stored.parse(JSON.parse(value));
    });
  }

  async put(conversationId: string, history: History): Promise<void> {
    const value = JSON.stringify(history);
    await this.#quietly(() =>
      this.#redis.eval(compareAndSet, 1, this.#key(conversationId), history.revision, value, this.#ttlMs),
    );
  }

  async forget(conversationId: string): Promise<void> {
    await this.#quietly(() => this.#redis.del(this.#key(conversationId)));
  }

  /** The connection is its maker's. */
  async close(): Promise<void> {}

  #key(conversationId: string): string {
    return `${this.#prefix}:{${conversationId}}`;
  }

  async #quietly<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
    try {
      return await work();
    } catch (error) {
      this.#onError(error);
      return undefined;
    }
  }
}
