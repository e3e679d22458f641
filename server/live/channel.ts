import { Few } from './few.ts';
import { eventId } from './id.ts';
import type { Batch, Head, LogListener, LogStore, Position } from './port.ts';

/** One who gets the channel's batches. */
export interface Receiver {
  take(batch: Batch, ids: readonly string[]): void;
  fallBehind(): void;
  end(error?: Error): void;
}

/** What all channels of a feed share. */
export interface ChannelHost {
  readonly log: LogStore;
  readonly retryDelays: readonly number[];
  /** The last receiver has left: the channel is over. */
  onEmpty(channel: Channel): void;
}

/** The one place in this process where a conversation's batches arrive; fans them out to its subscriptions. */
export class Channel implements LogListener {
  readonly conversationId: string;
  readonly receivers = new Few<Receiver>();
  /** Raised whenever batches may have been missed, or the log's epoch changes. */
  era = 0;
  readonly #host: ChannelHost;
  /** The end of the newest batch that arrived in this era. */
  #seen: Position | undefined;
  /** Let go of once it listens: most channels are idle. */
  #listening: Promise<void> | undefined;
  #state: 'joining' | 'listening' | 'closed' = 'joining';

  constructor(host: ChannelHost, conversationId: string) {
    this.#host = host;
    this.conversationId = conversationId;
    this.#listening = this.#listen();
    // Each subscription awaits it too; a channel that lost them all must not fail the process.
    this.#listening.catch(() => {});
  }

  get retryDelays(): readonly number[] {
    return this.#host.retryDelays;
  }

  /** Resolves when batches arrive. */
  async listening(): Promise<void> {
    await this.#listening;
  }

  head(): Promise<Head> {
    return this.#host.log.head(this.conversationId);
  }

  read(position: Position, limit: number): Promise<readonly Batch[] | 'gone'> {
    return this.#host.log.read(this.conversationId, position, limit);
  }

  forget(): Promise<void> {
    return this.#host.log.forget(this.conversationId);
  }

  /**
   * Whether everything after the position will arrive here. A batch of its epoch seen in this era proves that the ones after
   * that come this way; without one `whole` has to say that the log, read in this era, ended at the position.
   */
  leadsOnFrom(epoch: number, seq: number, whole: boolean): boolean {
    return this.#seen?.epoch === epoch ? this.#seen.seq <= seq : whole;
  }

  leave(receiver: Receiver): void {
    this.receivers.delete(receiver);
    if (this.receivers.size > 0 || this.#state === 'closed') return;
    if (this.#state === 'listening') this.#host.log.unlisten(this.conversationId, this);
    this.#state = 'closed';
    this.#host.onEmpty(this);
  }

  onBatch(batch: Batch): void {
    const last = batch.first + batch.events.length - 1;
    const seen = this.#seen;
    if (seen?.epoch !== batch.epoch) {
      this.era++;
      this.#seen = { epoch: batch.epoch, seq: last };
    } else if (last > seen.seq) seen.seq = last;
    const ids = batch.events.map((_, i) => eventId(batch.epoch, batch.first + i));
    for (const receiver of this.receivers.all()) receiver.take(batch, ids);
  }

  onLost(): void {
    this.era++;
    this.#seen = undefined;
    for (const receiver of this.receivers.all()) receiver.fallBehind();
  }

  async #listen(): Promise<void> {
    const { log } = this.#host;
    await log.listen(this.conversationId, this);
    this.#listening = undefined;
    if (this.#state === 'closed') log.unlisten(this.conversationId, this);
    else this.#state = 'listening';
  }
}
