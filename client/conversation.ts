import type { Conversation as ConversationData } from '@parley/shared/conversation';
import type { Tracked } from '@parley/shared/event';
import { newId } from '@parley/shared/id';
import type { TurnMedium, TurnPart } from '@parley/shared/turn';
import { Events, type EventsOptions } from './events.ts';
import type { Feeds } from './feed.ts';
import type { Line } from './line.ts';
import { type SendInput, Sending } from './sending.ts';
import { Turn } from './turn.ts';

export interface SendOptions extends Omit<SendInput, 'conversationId' | 'parts'> {
  /** Leaves the turn, which goes on without us. */
  signal?: AbortSignal | undefined;
}

/** What opening a conversation gives; `greeting` while the agent speaks first. */
export interface Opened {
  conversation: ConversationData;
  /** Following from here misses nothing of the greeting. */
  lastEventId: string;
  greeting: Turn | undefined;
}

/** One conversation, by its id. Nothing is asked of the server before something is asked of this. */
export class Conversation {
  readonly id: string;
  readonly #line: Line;
  readonly #feeds: Feeds;

  constructor(id: string, line: Line, feeds: Feeds) {
    this.id = id;
    this.#line = line;
    this.#feeds = feeds;
  }

  /**
   * The conversation's events from now on, each once, over all losses of connection. Ends when the conversation is deleted.
   * Iterating throws a ParleyFailure for a reason that does not pass: NOT_FOUND, UNAUTHENTICATED with a fresh token too …
   */
  events(options: EventsOptions = {}): AsyncIterableIterator<Tracked> {
    return new Events(this.#line, this.id, options);
  }

  /**
   * Says something. The turn that comes of it is returned at once; what goes wrong with sending is thrown where it is waited
   * for or iterated.
   */
  send(content: string | TurnPart[], { signal, ...options }: SendOptions = {}): Sending {
    const parts: TurnPart[] = typeof content === 'string' ? [{ type: 'text', text: content }] : content;
    const turnId = options.turnId ?? newId();
    const beginning = { conversationId: this.id, turnId, input: 'text' as const, parts };
    return new Sending(
      { line: this.#line, feed: this.#feeds.of(this.id), beginning, signal },
      { ...options, conversationId: this.id, turnId, parts },
      () => this.#feeds.from(this.id, undefined),
    );
  }

  /** A turn that somebody else began, or this client before: from `lastEventId`, else from its first event if it runs. */
  turn(turnId: string, { lastEventId, input = 'text', signal }: EventsOptions & { input?: TurnMedium } = {}): Turn {
    const beginning = { conversationId: this.id, turnId, input, parts: [] };
    return Turn.attach({ line: this.#line, feed: this.#feeds.from(this.id, lastEventId), beginning, signal });
  }

  /** Lets the agent speak first when nobody has spoken yet. May be called as often as one likes. */
  async open(options: { speak?: boolean } = {}): Promise<Opened> {
    const input = { ...options, conversationId: this.id };
    const opened = await this.#line.persist((signal) => this.#line.trpc.conversations.open.mutate(input, { signal }));
    const { conversation, lastEventId, greetingTurnId } = opened;
    const greeting =
      greetingTurnId === undefined ? undefined : this.turn(greetingTurnId, { lastEventId, input: 'greeting' });
    return { conversation, lastEventId, greeting };
  }
}
