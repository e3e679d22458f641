import { eventId } from './id.ts';
import type { Batch, Head, LogStore, Position } from './port.ts';

/** One who gets the channel's batches. */
export interface Receiver {
  take(batch: Batch, ids: readonly string[]): void;
  fallBehind(): void;
  end(error?: Error): void;
}

/** The one place in this process where a conversation's batches arrive; fans them out to its subscriptions. */
export class Channel {
  readonly conversationId: string;
  readonly retryDelays: readonly number[];
  readonly receivers = new Set<Receiver>();
  readonly listening: Promise<void>;
  /** Raised whenever batches may have been missed, or the log's epoch changes. */
  era = 0;
  readonly #log: LogStore;
  readonly #onEmpty: () => void;
  /** The end of the newest batch that arrived in this era. */
  #seen: Position | undefined;
  #unlisten: (() => void) | undefined;
  #closed = false;

  constructor(log: LogStore, conversationId: string, retryDelays: readonly number[], onEmpty: () => void) {
    this.#log = log;
    this.conversationId = conversationId;
    this.retryDelays = retryDelays;
    this.#onEmpty = onEmpty;
    this.listening = this.#listen();
    // Each subscription awaits it too; a channel that lost them all must not fail the process.
    this.listening.catch(() => {});
  }

  head(): Promise<Head> {
    return this.#log.head(this.conversationId);
  }

  read(position: Position, limit: number): Promise<readonly Batch[] | 'gone'> {
    return this.#log.read(this.conversationId, position, limit);
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
    if (this.receivers.size > 0) return;
    this.#closed = true;
    this.#unlisten?.();
    this.#onEmpty();
  }

  async #listen(): Promise<void> {
    const unlisten = await this.#log.listen(
      this.conversationId,
      (batch) => this.#onBatch(batch),
      () => this.#onLost(),
    );
    if (this.#closed) unlisten();
    else this.#unlisten = unlisten;
  }

  #onBatch(batch: Batch): void {
    const last = batch.first + batch.events.length - 1;
    const seen = this.#seen;
    if (seen?.epoch !== batch.epoch) {
      this.era++;
      this.#seen = { epoch: batch.epoch, seq: last };
    } else if (last > seen.seq) seen.seq = last;
    const ids = batch.events.map((_, i) => eventId(batch.epoch, batch.first + i));
    for (const receiver of this.receivers) receiver.take(batch, ids);
  }

  #onLost(): void {
    this.era++;
    this.#seen = undefined;
    for (const receiver of this.receivers) receiver.fallBehind();
  }
}
