import type { History, HistoryCache } from './port.ts';

/** Characters of text that the cache holds, about. */
const defaultBound = 64 * 1024 * 1024;

/** A cache in this process: the least recently used histories go when the bound is reached. */
export class MemoryHistory implements HistoryCache {
  readonly #bound: number;
  readonly #held = new Map<string, { history: History; size: number }>();
  #size = 0;

  constructor(bound: number = defaultBound) {
    this.#bound = bound;
  }

  async get(conversationId: string): Promise<History | undefined> {
    const held = this.#held.get(conversationId);
    if (!held) return undefined;
    this.#held.delete(conversationId);
    this.#held.set(conversationId, held);
    return held.history;
  }

  async put(conversationId: string, history: History): Promise<void> {
    const held = this.#held.get(conversationId);
    if (held && held.history.revision >= history.revision) return;
    this.#drop(conversationId);
    const size = sizeOf(history);
    if (size > this.#bound) return;
    this.#held.set(conversationId, { history, size });
    this.#size += size;
    for (const oldest of this.#held.keys()) {
      if (this.#size <= this.#bound) break;
      this.#drop(oldest);
    }
  }

  async forget(conversationId: string): Promise<void> {
    this.#drop(conversationId);
  }

  async close(): Promise<void> {
    this.#held.clear();
    this.#size = 0;
  }

  #drop(conversationId: string): void {
    const held = this.#held.get(conversationId);
    if (!held) return;
    this.#held.delete(conversationId);
    this.#size -= held.size;
  }
}

function sizeOf(history: History): number {
  let size = 200;
  for (const message of history.messages) {
    size += 400 + (message.unheard?.length ?? 0);
    for (const part of message.parts) size += part.type === 'text' ? part.text.length : 200;
  }
  return size;
}
