import type { Conversation as ConversationData } from '@parley/shared/conversation';
import type { Event, Tracked } from '@parley/shared/event';
import { reduce } from '@parley/shared/reduce';
import { initialState } from '@parley/shared/state';
import type { SentTurn } from '@parley/shared/turn';
import { failureOf, ParleyFailure } from '../failure.ts';
import type { Position } from '../player/report.ts';
import type { Conversation } from './conversation.ts';
import { type Live, Paced } from './live.ts';
import type { InterruptOptions } from './options.ts';
import { Outbox } from './outbox.ts';
import { Pages, withPage } from './pages.ts';
import { TurnLog } from './turn-log.ts';
import { inEvent, type Speaking, type ViewState } from './view-state.ts';

export interface ViewOptions {
  /** Messages of a page, 1 to 100; 50 by default. */
  pageSize?: number;
  /** Told of each event as it comes, for what depends on several conversations. */
  onEvent?: (event: Event) => void;
  /** Milliseconds for which the subscription outlives whoever looked; 1 s by default. */
  lingerMs?: number;
}

/**
 * A conversation that is followed while somebody looks: its newest messages are loaded, then its events come in, over one
 * subscription for all who look. Nobody looking, it keeps what it has and goes on from there when somebody does again.
 */
export class ConversationView implements Live<ViewState> {
  readonly conversation: Conversation;
  readonly outbox: Outbox;
  readonly #pages: Pages;
  readonly #turns = new TurnLog();
  readonly #paced: Paced<ViewState>;
  readonly #options: ViewOptions;
  readonly #listeners = new Set<(event: Event) => void>();
  /** Stop what is being played of it, and tell how far it was heard. */
  readonly silencers = new Set<() => Position | undefined>();
  #state = initialState();
  #load: { kind: 'none' } | { kind: 'loaded' } | { kind: 'failed'; failure: ParleyFailure } = { kind: 'none' };
  #speaking: Speaking | null = null;
  #looking = 0;
  #following: ReturnType<Conversation['listen']> | undefined;
  #lingering: ReturnType<typeof setTimeout> | undefined;

  constructor(conversation: Conversation, options: ViewOptions = {}) {
    this.conversation = conversation;
    this.#options = options;
    const touch = (): void => this.#paced.touch();
    this.outbox = new Outbox(
      (parts, rest) => conversation.post(parts, rest),
      (sent) => this.#isStored(sent),
      touch,
    );
    this.#pages = new Pages(
      ({ cursor }) => conversation.messages({ cursor, limit: options.pageSize ?? 50, order: 'desc' }),
      (messages, isNewest) => {
        this.#state = { ...this.#state, messages: withPage(this.#state.messages, messages, isNewest) };
        this.outbox.settle(messages.map(({ turnId }) => turnId));
      },
      touch,
    );
    this.#paced = new Paced((before) => this.#make(before));
  }

  readonly get = (): ViewState => this.#paced.get();

  readonly subscribe = (listener: () => void): (() => void) => {
    const leave = this.#look();
    const end = this.#paced.subscribe(listener);
    return () => {
      end();
      leave();
    };
  };

  /** Each event, as it comes: also those of a running turn that came before. */
  readonly onEvent = (listener: (event: Event) => void): (() => void) => {
    const own = (event: Event): void => listener(event);
    this.#listeners.add(own);
    const leave = this.#look();
    return () => {
      this.#listeners.delete(own);
      leave();
    };
  };

  /** Nobody looks, and nothing waits that would be lost with it. */
  get isIdle(): boolean {
    return this.#looking === 0 && !this.#following && this.outbox.outgoing.length === 0;
  }

  /** Stops the answer at once, here and on the server, which is told how far it was heard. */
  async interrupt({ turnId, heard }: InterruptOptions = {}): Promise<boolean> {
    const position = this.silence();
    const named = turnId ?? this.#state.turn?.id ?? position?.turnId;
    return await this.conversation.interrupt({
      turnId: named,
      heard: heard ?? (position?.turnId === named ? position : undefined),
    });
  }

  /** Speech stops here and on the server; the text goes on. */
  async stopSpeaking(): Promise<boolean> {
    this.silence();
    return await this.conversation.stopSpeaking();
  }

  /** Stops what is being played here. How far it was heard is told to the server by whoever plays. */
  silence(): Position | undefined {
    const positions = [...this.silencers].map((silence) => silence());
    return positions.find((position) => position !== undefined);
  }

  fetchPreviousPage(): Promise<void> {
    return this.#pages.previous();
  }

  /** Begins anew after a failure. */
  refetch(): void {
    if (this.#load.kind !== 'failed') return;
    this.#stop();
    this.#load = { kind: 'none' };
    this.#paced.touch();
    if (this.#looking > 0) this.#follow();
  }

  speaks(speaking: Speaking | null): void {
    this.#speaking = speaking;
    this.#paced.touch();
  }

  /** What a call answered, until the event that tells of it comes. */
  know(conversation: ConversationData): void {
    this.#state = { ...this.#state, conversation: inEvent(conversation), status: conversation.status };
    this.#paced.touch();
  }

  #look(): () => void {
    this.#looking++;
    clearTimeout(this.#lingering);
    // Whoever comes anew after a failure tries again.
    if (this.#load.kind === 'failed' && this.#looking === 1) this.#load = { kind: 'none' };
    if (!this.#following && this.#load.kind !== 'failed' && this.#state.status !== 'deleted') this.#follow();
    let isLooking = true;
    return () => {
      if (!isLooking) return;
      isLooking = false;
      // Whoever comes back at once, as when a page is changed, finds it as it was.
      if (--this.#looking === 0) this.#lingering = setTimeout(() => this.#stop(), this.#options.lingerMs ?? 1_000);
    };
  }

  #stop(): void {
    clearTimeout(this.#lingering);
    this.#following?.leave();
    this.#following = undefined;
  }

  #follow(): void {
    const following = this.conversation.listen(
      {
        event: (tracked) => this.#take(tracked),
        started: () => this.outbox.wake(),
        end: (failure) => this.#end(failure),
      },
      this.#state.lastEventId ?? undefined,
    );
    this.#following = following;
    // Without an event to go on from, what came while nobody looked is among the messages.
    if (this.#load.kind === 'none' || this.#state.lastEventId === null) void this.#begin(following);
  }

  /** What is stored is looked at when it is certain where the events begin, so that nothing is missed in between. */
  async #begin(following: ReturnType<Conversation['listen']>): Promise<void> {
    const entry = await following.ready;
    const isWanted = (): boolean => this.#following === following;
    if (!isWanted()) return;
    const known = this.#state.conversation;
    try {
      const [{ conversation }] = await Promise.all([entry ?? this.conversation.get(), this.#pages.first()]);
      if (!isWanted()) return;
      this.#load = { kind: 'loaded' };
      // What an event told meanwhile is newer.
      if (this.#state.conversation === known) this.know(conversation);
    } catch (cause) {
      if (isWanted()) this.#fail(failureOf(cause));
    }
    this.#paced.touch();
  }

  #take(tracked: Tracked): void {
    const { data } = tracked;
    const before = this.#state;
    this.#state = reduce(before, tracked);
    if (this.#state === before) return;
    this.#turns.take(tracked);
    if (data.type === 'message.saved' && data.role === 'human') this.outbox.settle([data.turnId]);
    if (data.type === 'gap') {
      this.outbox.settle(data.snapshot.messages.map(({ turnId }) => turnId));
      // There may be a hole before the snapshot: pages are counted from there.
      if (this.#load.kind === 'loaded') this.#pages.first().catch(() => {});
    }
    for (const listener of [...this.#listeners]) listener(data);
    this.#options.onEvent?.(data);
    this.#paced.touch();
  }

  #end(failure: ParleyFailure | undefined): void {
    this.#following = undefined;
    if (this.#state.status !== 'deleted')
      this.#fail(failure ?? new ParleyFailure('UNAVAILABLE', 'The client was closed.'));
    this.#paced.touch();
  }

  #isStored({ turnId, createdAt }: SentTurn): boolean {
    const { messages } = this.#state;
    const [first] = messages;
    if (first && createdAt.getTime() < first.createdAt) return true;
    return messages.some((message) => message.turnId === turnId && message.role === 'human');
  }

  #fail(failure: ParleyFailure): void {
    this.#stop();
    // Deleted while nobody listened: the same as if its event had come.
    if (failure.reason === 'CONVERSATION_DELETED') {
      this.#state = { ...initialState(), status: 'deleted' };
      const { id: conversationId } = this.conversation;
      this.#options.onEvent?.({ type: 'conversation.deleted', conversationId, at: Date.now() });
    } else this.#load = { kind: 'failed', failure };
  }

  #make(before: ViewState | undefined): ViewState {
    const common = {
      ...this.#pages.state,
      outgoing: this.outbox.outgoing,
      turns: this.#turns.records,
      speaking: this.#speaking,
    };
    switch (this.#load.kind) {
      case 'none':
        // Deleted while it was being loaded.
        return this.#state.status === 'deleted'
          ? { ...common, status: 'success', data: this.#state, error: null }
          : { ...common, status: 'pending', data: undefined, error: null };
      case 'loaded':
        return { ...common, status: 'success', data: this.#state, error: null };
      case 'failed':
        return { ...common, status: 'error', data: before?.data, error: this.#load.failure };
    }
  }
}
