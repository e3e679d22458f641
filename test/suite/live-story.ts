import { Encoded } from '@parley/server/live/encode';
import { Feed } from '@parley/server/live/feed';
import type { Batch, Head, LogStore, Sink } from '@parley/server/live/port';
import type { Event, Snapshot } from '@parley/shared/event';
import { newId } from '@parley/shared/id';

/** A turn that counts: its n-th delta says `n `, so that any text shows by itself what was lost, doubled or moved. */
export class Story {
  readonly conversationId: string;
  readonly turnId: string;
  generation = 1;
  text = '';
  told = 0;
  readonly #log: LogStore;

  constructor(log: LogStore, conversationId: string, turnId: string = newId()) {
    this.#log = log;
    this.conversationId = conversationId;
    this.turnId = turnId;
  }

  begin(): Promise<Batch> {
    const event: Event = { type: 'turn.started', ...this.#base(), input: 'text', parts: [] };
    return this.#append([event], { begins: true });
  }

  /** Appends `count` deltas as one batch. */
  tell(count = 1): Promise<Batch> {
    const events = Array.from({ length: count }, (): Event => {
      const text = `${this.told++} `;
      this.text += text;
      return { type: 'agent.delta', ...this.#base(), text, bubble: 0 };
    });
    return this.#append(events, {});
  }

  end(): Promise<Batch> {
    return this.#append([{ type: 'turn.completed', ...this.#base() }], { ends: true });
  }

  /** The same turn as its next owner has it. */
  takeOver(log: LogStore): Story {
    const next = new Story(log, this.conversationId, this.turnId);
    next.generation = this.generation + 1;
    next.text = this.text;
    next.told = this.told;
    return next;
  }

  #base() {
    return { conversationId: this.conversationId, at: 0, turnId: this.turnId };
  }

  #append(events: Event[], marks: { begins?: boolean; ends?: boolean }): Promise<Batch> {
    const { conversationId, text } = this;
    return this.#log.append({
      conversationId,
      events: events.map(Encoded.of),
      turn: { id: this.turnId, generation: this.generation, ...marks },
      bubbles: () => (text === '' ? [] : [text]),
      secure: async () => {},
    });
  }
}

/** An event that belongs to no turn. */
export function note(
  conversationId: string,
  type: 'conversation.ended' | 'conversation.deleted' = 'conversation.ended',
) {
  return { conversationId, events: [Encoded.of({ type, conversationId, at: 0 })] };
}

export async function snapshotOf(conversationId: string, head: Head): Promise<Snapshot> {
  return {
    conversation: {
      id: conversationId,
      title: null,
      status: 'active',
      assistantId: null,
      context: null,
      metadata: {},
      createdAt: 0,
      lastMessageAt: null,
      endedAt: null,
      messageCount: 0,
      preview: null,
    },
    messages: [],
    turn: head.running && {
      id: head.running.turnId,
      status: 'running',
      text: head.running.bubbles.join(''),
      bubbles: head.running.bubbles,
    },
  };
}

/** A subscriber that keeps everything and fails on the first id that does not grow. */
export class Watcher implements Sink {
  readonly seen: { id: string; event: Event }[] = [];
  /** The answer as a screen shows it. */
  text = '';
  over = false;
  error: Error | undefined;
  gaps = 0;
  /** Awaited between pages. */
  pace: () => Promise<void> = async () => {};
  #waiting: (() => void) | undefined;

  event(id: string, { event }: Encoded): void {
    const last = this.seen.at(-1);
    if (last && id <= last.id) throw new Error(`${id} after ${last.id}`);
    if (this.over) throw new Error('event after the end');
    this.seen.push({ id, event });
    if (event.type === 'agent.delta') this.text += event.text;
    if (event.type === 'gap') {
      this.gaps++;
      this.text = event.snapshot.turn?.text ?? '';
    }
    this.#waiting?.();
  }

  ready(): Promise<void> {
    return this.pace();
  }

  end(error?: Error): void {
    this.over = true;
    this.error = error;
    this.#waiting?.();
  }

  /** Resolves as soon as the condition holds, at once or after an event. */
  async until(condition: (watcher: this) => boolean): Promise<void> {
    while (!condition(this)) {
      if (this.over) throw this.error ?? new Error('over');
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
  }

  /** A subscriber that has seen what this one had up to an event. */
  resumed(lastEventId: string): Watcher {
    const watcher = new Watcher();
    for (const { id, event } of this.seen) if (id <= lastEventId) watcher.event(id, Encoded.of(event));
    watcher.gaps = 0;
    return watcher;
  }

  get ids(): string[] {
    return this.seen.map(({ id }) => id);
  }

  get types(): string[] {
    return this.seen.map(({ event }) => event.type);
  }
}

/** Two replicas of one log. In one process they are the same. */
export interface LiveBench {
  logs: readonly [LogStore, LogStore];
  /** Drops all but the newest events of a conversation, as the store does when it is full. */
  trim(conversationId: string): Promise<void>;
  close(): Promise<void>;
}

export class Replica {
  readonly log: LogStore;
  readonly feed: Feed;

  constructor(log: LogStore) {
    this.log = log;
    this.feed = new Feed(log, { retryDelays: [1, 1] });
  }

  watch(conversationId: string, lastEventId?: string, watcher = new Watcher()): Watcher {
    this.feed.subscribe(conversationId, lastEventId, watcher, snapshotOf);
    return watcher;
  }
}
