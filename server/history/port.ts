import type { MessageInEvent } from '@parley/shared/message';

/** The end of a conversation's history, as of one revision of its row. */
export interface History {
  revision: number;
  /** The last messages, oldest first; at most `historyMessages` of them. */
  messages: readonly MessageInEvent[];
}

/** How many of a conversation's last messages the cache holds. */
export const historyMessages = 200;

/**
 * A cache of histories. Postgres is the truth: whoever reads compares `revision` with the conversation's row, which every
 * request reads anyway, so that a stale entry is a miss and never an answer. It may lose anything at any time; it never throws.
 */
export interface HistoryCache {
  get(conversationId: string): Promise<History | undefined>;
  /** Kept only when its revision is greater than the one that is there (compare-and-set). */
  put(conversationId: string, history: History): Promise<void>;
  forget(conversationId: string): Promise<void>;
  close(): Promise<void>;
}
