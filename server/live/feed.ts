import { Channel } from './channel.ts';
import type { LogStore, Sink } from './port.ts';
import { Subscription, type TakeSnapshot } from './subscription.ts';

export interface FeedOptions {
  /** Milliseconds before each further try of a failed snapshot; after the last one the subscription ends with the error. */
  retryDelays?: readonly number[];
}

/**
 * Resumable subscriptions to conversations' logs. A subscriber gets every event after the one it names, each once and in
 * order; where that is not possible one `gap` with a snapshot, from which it goes on in the same way. Never silence.
 */
export class Feed {
  readonly #log: LogStore;
  readonly #retryDelays: readonly number[];
  readonly #channels = new Map<string, Channel>();

  constructor(log: LogStore, { retryDelays = [100, 200, 400, 800, 1_600] }: FeedOptions = {}) {
    this.#log = log;
    this.#retryDelays = retryDelays;
  }

  /**
   * Starts at once; `sink.end` is called when it is over by itself (after `conversation.deleted`) or with an error.
   * @param lastEventId The last event that the subscriber has. Without one: from the running turn's first event, else live.
   * @returns stops it; nothing is called afterwards.
   */
  subscribe(conversationId: string, lastEventId: string | undefined, sink: Sink, snapshot: TakeSnapshot): () => void {
    let channel = this.#channels.get(conversationId);
    if (!channel) {
      const made = new Channel(this.#log, conversationId, this.#retryDelays, () => {
        if (this.#channels.get(conversationId) === made) this.#channels.delete(conversationId);
      });
      channel = made;
      this.#channels.set(conversationId, made);
    }
    const subscription = new Subscription(channel, sink, snapshot);
    channel.receivers.add(subscription);
    void subscription.start(lastEventId);
    return () => void subscription.stop();
  }

  /** Ends what is left of a conversation's subscriptions in this process. They end by themselves at `conversation.deleted`. */
  closeConversation(conversationId: string, error?: Error): void {
    for (const receiver of this.#channels.get(conversationId)?.receivers ?? []) receiver.end(error);
  }

  endAll(error?: Error): void {
    for (const conversationId of [...this.#channels.keys()]) this.closeConversation(conversationId, error);
  }

  /** Subscriptions in this process. */
  get size(): number {
    let size = 0;
    for (const channel of this.#channels.values()) size += channel.receivers.size;
    return size;
  }
}
