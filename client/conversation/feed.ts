import type { Tracked } from '@parley/shared/event';
import type { Line } from '../connection/line.ts';
import type { ParleyFailure } from '../failure.ts';
import { type Entry, Follow } from './follow.ts';

export interface FeedListener {
  event(tracked: Tracked): void;
  /** The server has begun to deliver: for the first time, or again. */
  started?(): void;
  end(failure?: ParleyFailure): void;
}

/** One subscription of a conversation, shared by those who listen at the same time. It ends with the last of them. */
export class Feed {
  /**
   * Resolves when it is certain where this begins, or it is over: what happens from then on is not missed. With the conversation
   * as it stood there if it had to be asked for that.
   */
  readonly ready: Promise<Entry | undefined>;
  readonly #listeners = new Set<FeedListener>();
  readonly #follow: Follow;
  readonly #onEmpty: () => void;

  constructor(line: Line, conversationId: string, lastEventId: string | undefined, onEmpty: () => void) {
    this.#onEmpty = onEmpty;
    let begin = (_entry?: Entry): void => {};
    this.ready = new Promise((resolve) => {
      begin = resolve;
    });
    // Whoever names the last event misses nothing, also when it begins to follow later than things begin to happen.
    if (lastEventId !== undefined) begin();
    this.#follow = new Follow(line, conversationId, lastEventId, {
      event: (tracked) => {
        for (const listener of [...this.#listeners]) listener.event(tracked);
      },
      begun: begin,
      started: () => {
        for (const listener of [...this.#listeners]) listener.started?.();
      },
      end: (failure) => {
        const listeners = [...this.#listeners];
        this.#listeners.clear();
        onEmpty();
        begin();
        for (const listener of listeners) listener.end(failure);
      },
    });
  }

  get lastEventId(): string | undefined {
    return this.#follow.lastEventId;
  }

  /** Returns what leaves it. */
  join(listener: FeedListener): () => void {
    this.#listeners.add(listener);
    return () => {
      if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return;
      this.#follow.stop();
      this.#onEmpty();
    };
  }
}

/** How long a place in a conversation is worth beginning from: later there may be much between it and now. Milliseconds. */
const rememberMs = 60_000;
const mostRemembered = 1_000;

/** The feeds of a client, one a conversation while somebody listens, and where the last ones ended. */
export class Feeds {
  readonly #line: Line;
  readonly #open = new Map<string, Feed>();
  readonly #left = new Map<string, { id: string; at: number }>();

  constructor(line: Line) {
    this.#line = line;
  }

  /** The conversation's feed. `lastEventId` is where a new one begins; one that is there already is further on. */
  of(conversationId: string): Feed {
    const known = this.#open.get(conversationId);
    if (known) return known;
    const left = this.#left.get(conversationId);
    const from = left && Date.now() - left.at < rememberMs ? left.id : undefined;
    return this.lead(conversationId, from);
  }

  /** A feed that begins at `lastEventId`, and is the conversation's from now on. */
  lead(conversationId: string, lastEventId: string | undefined): Feed {
    const feed: Feed = this.from(conversationId, lastEventId, () => {
      if (this.#open.get(conversationId) === feed) this.#open.delete(conversationId);
      this.#remember(conversationId, feed.lastEventId);
    });
    this.#open.set(conversationId, feed);
    return feed;
  }

  /** A feed of one's own that begins elsewhere. */
  from(conversationId: string, lastEventId: string | undefined, onEmpty: () => void = () => {}): Feed {
    return new Feed(this.#line, conversationId, lastEventId, onEmpty);
  }

  #remember(conversationId: string, id: string | undefined): void {
    this.#left.delete(conversationId);
    if (id === undefined) return;
    this.#left.set(conversationId, { id, at: Date.now() });
    const oldest = this.#left.keys().next();
    if (this.#left.size > mostRemembered && !oldest.done) this.#left.delete(oldest.value);
  }
}
