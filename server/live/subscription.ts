import type { Snapshot } from '@parley/shared/event';
import type { Channel, Receiver } from './channel.ts';
import { Encoded } from './encode.ts';
import { eventId, parseEventId } from './id.ts';
import type { Batch, Delivery, Head, Position, Sink } from './port.ts';

/**
 * The conversation's state in place of events that are gone, with the running turn's text exactly as `head.running` has it;
 * 'deleted' when there is no such conversation any more.
 */
export type TakeSnapshot = (conversationId: string, head: Head) => Promise<Snapshot | 'deleted'>;

const pageEvents = 256;

/**
 * One subscriber: reads pages of the log until it has caught up with the channel, then goes on with the channel's batches.
 * It holds a position and no queue: what comes while it catches up is read from the log again.
 */
export class Subscription implements Receiver, Delivery {
  #epoch = 0;
  #seq = 0;
  #state: 'catching up' | 'live' | 'over' = 'catching up';
  readonly #channel: Channel;
  readonly #sink: Sink;
  readonly #snapshot: TakeSnapshot;
  #wake: (() => void) | undefined;

  constructor(channel: Channel, sink: Sink, snapshot: TakeSnapshot) {
    this.#channel = channel;
    this.#sink = sink;
    this.#snapshot = snapshot;
  }

  /** @param lastEventId The last event that the subscriber has; without one it starts with the running turn, else live. */
  async start(lastEventId: string | undefined): Promise<void> {
    await this.#guarded(async () => {
      await this.#channel.listening();
      if (!this.#over) await this.#catchUp(await this.#enter(lastEventId));
    });
  }

  /** The hot path: no promise, no allocation. `ids[i]` is the id of `batch.events[i]`. */
  take(batch: Batch, ids: readonly string[]): void {
    if (this.#state !== 'live') return;
    if (batch.epoch !== this.#epoch) {
      if (batch.follows?.epoch !== this.#epoch || batch.follows.seq !== this.#seq) {
        this.fallBehind();
        return;
      }
      this.#epoch = batch.epoch;
      this.#seq = batch.first - 1;
    }
    if (batch.first > this.#seq + 1) this.fallBehind();
    else this.#deliver(batch, ids);
  }

  /** The channel may have missed something: what this subscriber lacks is read from the log. */
  fallBehind(): void {
    if (this.#state !== 'live') return;
    this.#state = 'catching up';
    void this.#guarded(() => this.#catchUp(undefined));
  }

  stop(): boolean {
    if (this.#over) return false;
    this.#state = 'over';
    this.#channel.leave(this);
    this.#wake?.();
    return true;
  }

  end(error?: Error): void {
    if (this.stop()) this.#sink.end(error);
  }

  get #over(): boolean {
    return this.#state === 'over';
  }

  #stand(position: Position): void {
    this.#epoch = position.epoch;
    this.#seq = position.seq;
  }

  #deliver(batch: Batch, ids: readonly string[] | undefined): void {
    const { events } = batch;
    for (let i = this.#seq + 1 - batch.first; i < events.length; i++) {
      const event = events[i];
      if (!event) break;
      const seq = batch.first + i;
      this.#seq = seq;
      try {
        this.#sink.event(ids?.[i] ?? eventId(batch.epoch, seq), event);
      } catch (error) {
        this.end(error instanceof Error ? error : new Error(String(error)));
      }
      if (event.type === 'conversation.deleted') this.end();
      if (this.#over) return;
    }
  }

  /** Takes the place to begin at. Answers in which of the channel's eras that was the end of the log, if it was. */
  async #enter(lastEventId: string | undefined): Promise<number | undefined> {
    if (lastEventId !== undefined) {
      const position = parseEventId(lastEventId);
      if (position) this.#stand(position);
      else await this.#gap('unknown event id');
      return undefined;
    }
    const { era } = this.#channel;
    const head = await this.#channel.head();
    this.#stand(head);
    if (head.running === null) return era;
    if (head.running.start !== undefined) this.#stand({ epoch: head.epoch, seq: head.running.start });
    else await this.#gap('the beginning of the turn is gone');
    return undefined;
  }

  /** @param endIn The era in which the position was seen to be the end of the log, if it was. */
  async #catchUp(endIn: number | undefined): Promise<void> {
    let whole = endIn;
    while (!this.#over) {
      // Asked in the same step in which it goes live, so that nothing can come between.
      if (this.#channel.leadsOnFrom(this.#epoch, this.#seq, whole === this.#channel.era)) {
        this.#state = 'live';
        return;
      }
      const { era } = this.#channel;
      const page = await this.#channel.read({ epoch: this.#epoch, seq: this.#seq }, pageEvents);
      if (this.#over) return;
      if (page === 'gone') {
        await this.#gap('events are no longer kept');
        whole = undefined;
        continue;
      }
      whole = page.length === 0 ? era : undefined;
      for (const batch of page) if (!this.#over) this.#deliver(batch, undefined);
      if (page.length > 0 && !this.#over) await this.#sink.ready();
    }
  }

  /** One `gap` whose id is the position that its snapshot stands for. */
  async #gap(reason: string): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const head = await this.#channel.head();
      if (this.#over) return;
      let snapshot: Snapshot | 'deleted';
      try {
        snapshot = await this.#snapshot(this.#channel.conversationId, head);
      } catch (error) {
        const delay = this.#channel.retryDelays[attempt];
        if (delay === undefined) throw error;
        await this.#pause(delay);
        if (this.#over) return;
        continue;
      }
      if (this.#over) return;
      this.#stand(head);
      const id = eventId(head.epoch, head.seq);
      const base = { conversationId: this.#channel.conversationId, at: Date.now() };
      if (snapshot === 'deleted') {
        // Looking at a log that has been erased has begun it anew.
        if (head.seq === 0) await this.#channel.forget().catch(() => {});
        if (this.#over) return;
        this.#sink.event(id, Encoded.of({ type: 'conversation.deleted', ...base }));
        this.end();
        return;
      }
      this.#sink.event(id, Encoded.of({ type: 'gap', ...base, reason, snapshot }));
      if (!this.#over) await this.#sink.ready();
      return;
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #guarded(task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      this.end(error instanceof Error ? error : new Error(String(error)));
    }
  }
}
