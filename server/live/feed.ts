import { Channel, type ChannelHost } from './channel.ts';
import type { Delivery, LogStore, Sink } from './port.ts';
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
  readonly #host: ChannelHost;
  readonly #channels = new Map<string, Channel>();

  constructor(log: LogStore, { retryDelays = [100, 200, 400, 800, 1_600] }: FeedOptions = {}) {
    const onEmpty = (channel: Channel): void => {
      const { conversationId } = channel;
      if (this.#channels.get(conversationId) === channel) this.#channels.delete(conversationId);
    };
    this.#host = { log, retryDelays, onEmpty };
  }

  /**
   * Starts at once; `sink.end` is called when it is over by itself (after `conversation.deleted`) or with an error.
   * @param lastEventId The last event that the subscriber has. Without one: from the running turn's first event, else live.
   * @param snapshot Held for as long as the subscription lasts: best one function for all.
   */
  subscribe(conversationId: string, lastEventId: string | undefined, sink: Sink, snapshot: TakeSnapshot): Delivery {
    let channel = this.#channels.get(conversationId);
    if (!channel) {
      channel = new Channel(this.#host, conversationId);
      this.#channels.set(conversationId, channel);
    }
    const subscription = new Subscription(channel, sink, snapshot);
    channel.receivers.add(subscription);
    void subscription.start(lastEventId);
    return subscription;
  }

  /** Ends what is left of a conversation's subscriptions in this process. They end by themselves at `conversation.deleted`. */
  closeConversation(conversationId: string, error?: Error): void {
    for (const receiver of this.#channels.get(conversationId)?.receivers.all() ?? []) receiver.end(error);
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
