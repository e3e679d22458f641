import type { MessageInEvent } from '@parley/shared/message';
import { type History, type HistoryCache, historyMessages } from './port.ts';

export interface HistoryReaderOptions {
  /** Nearest first: this process's memory, then what replicas share. */
  caches: readonly HistoryCache[];
  /** Reads the database; undefined when there is no such conversation. */
  load: (conversationId: string) => Promise<History | undefined>;
  /** Told whether a cache answered; once for all who ask for the same at the same time. */
  onRead?: (hit: boolean) => void;
}

/**
 * Histories as of a revision. A cached one is used only when its revision is the one that the caller saw on the
 * conversation's row, so that nobody gets an older history than an acknowledged write; one load per miss per replica.
 */
export class HistoryReader {
  readonly #options: HistoryReaderOptions;
  /** Raised whenever a conversation is forgotten. */
  #forgotten = 0;
  /** What is being read, by conversation and revision. */
  readonly #reading = new Map<string, Promise<History>>();

  constructor(options: HistoryReaderOptions) {
    this.#options = options;
  }

  /** The history as of `revision`, or a later one when it has been written to since. */
  async read(conversationId: string, revision: number): Promise<History> {
    const key = `${conversationId} ${revision}`;
    const reading =
      this.#reading.get(key) ?? this.#find(conversationId, revision).finally(() => this.#reading.delete(key));
    this.#reading.set(key, reading);
    return await reading;
  }

  /** After a commit: the writer knows what it added, so the next reader finds it without the database. */
  async extend(
    conversationId: string,
    revision: { before: number; after: number },
    added: readonly MessageInEvent[],
  ): Promise<void> {
    const [near, ...far] = this.#options.caches;
    const cached = revision.before === 0 ? { revision: 0, messages: [] } : await near?.get(conversationId);
    if (cached?.revision !== revision.before) return;
    const messages = [...cached.messages, ...added].slice(-historyMessages);
    const history = { revision: revision.after, messages };
    await near?.put(conversationId, history);
    for (const cache of far) void cache.put(conversationId, history);
  }

  async forget(conversationId: string): Promise<void> {
    this.#forgotten++;
    await Promise.all(this.#options.caches.map((cache) => cache.forget(conversationId)));
  }

  async close(): Promise<void> {
    await Promise.all(this.#options.caches.map((cache) => cache.close()));
  }

  async #find(conversationId: string, revision: number): Promise<History> {
    for (const [i, cache] of this.#options.caches.entries()) {
      const cached = await cache.get(conversationId);
      if (cached?.revision !== revision) continue;
      this.#options.onRead?.(true);
      for (const nearer of this.#options.caches.slice(0, i)) void nearer.put(conversationId, cached);
      return cached;
    }
    this.#options.onRead?.(false);
    const forgotten = this.#forgotten;
    const history = await this.#options.load(conversationId);
    if (!history) return { revision: 0, messages: [] };
    // What was forgotten while it was being read must not come back.
    if (forgotten === this.#forgotten)
      for (const cache of this.#options.caches) void cache.put(conversationId, history);
    return history;
  }
}
