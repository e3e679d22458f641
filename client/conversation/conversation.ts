import type { AppRouter } from '@parley/server/rpc/router';
import type { Conversation as ConversationData } from '@parley/shared/conversation';
import type { Tracked } from '@parley/shared/event';
import { newId } from '@parley/shared/id';
import type { Message } from '@parley/shared/message';
import type { Page } from '@parley/shared/page';
import type { Heard, SentTurn, TurnPart } from '@parley/shared/turn';
import type { inferRouterOutputs } from '@trpc/server';
import type { Line } from '../connection/line.ts';
import { createPlayer, type Player, type PlayerOptions } from '../player/player.ts';
import type { SegmentQueue } from '../recorder/queue.ts';
import { createRecorder, type Recorded, type Recorder } from '../recorder/recorder.ts';
import { Events, type EventsOptions } from './events.ts';
import type { Feed, FeedListener, Feeds } from './feed.ts';
import type {
  InterruptOptions,
  PageOptions,
  RecordOptions,
  SpeakInput,
  SpeakOptions,
  TurnFollowOptions,
} from './options.ts';
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

/** How long one try of a whole recording may take: it is transcribed meanwhile. Milliseconds. */
const speakMs = 150_000;

type Outputs = inferRouterOutputs<AppRouter>['conversations'];

/**
 * One conversation, by its id. Nothing is asked of the server before something is asked of this. All calls are made again
 * after a loss on the way, and throw a ParleyFailure for a reason that does not pass.
 */
export class Conversation {
  readonly id: string;
  readonly #line: Line;
  readonly #feeds: Feeds;
  readonly #segments: SegmentQueue;

  constructor(id: string, line: Line, feeds: Feeds, segments: SegmentQueue) {
    this.id = id;
    this.#line = line;
    this.#feeds = feeds;
    this.#segments = segments;
  }

  /**
   * The conversation's events from now on, each once, over all losses of connection. Ends when the conversation is deleted.
   * Iterating throws a ParleyFailure for a reason that does not pass: NOT_FOUND, UNAUTHENTICATED with a fresh token too …
   */
  events(options: EventsOptions = {}): AsyncIterableIterator<Tracked> {
    return new Events(this.#line, this.id, options);
  }

  /**
   * The same pushed: from `lastEventId`, else from the running turn's first event, else from now on. What is sent, and whoever
   * follows, while this goes on shares its subscription. What happens once `ready` has resolved is not missed. `leave` ends it.
   */
  listen(listener: FeedListener, lastEventId?: string): Pick<Feed, 'ready'> & { leave(): void } {
    const feed: Feed = this.#feeds.lead(this.id, lastEventId);
    return { ready: feed.ready, leave: feed.join(listener) };
  }

  /**
   * Says something. The turn that comes of it is returned at once; what goes wrong with sending is thrown where it is waited
   * for or iterated.
   */
  send(content: string | TurnPart[], { signal, ...options }: SendOptions = {}): Sending {
    const parts = partsOf(content);
    const turnId = options.turnId ?? newId();
    const beginning = { conversationId: this.id, turnId, input: 'text' as const, parts };
    return new Sending(
      { line: this.#line, feed: this.#feeds.of(this.id), beginning, signal },
      { ...options, conversationId: this.id, turnId, parts },
      () => this.#feeds.from(this.id, undefined),
    );
  }

  /** Says something without following what comes of it: resolves when the server has stored it, before the agent answers. */
  post(content: string | TurnPart[], { signal, ...options }: SendOptions = {}): Promise<SentTurn> {
    const turnId = options.turnId ?? newId();
    const input = { ...options, conversationId: this.id, turnId, parts: partsOf(content) };
    return this.#line.persist((aborted) => this.#line.trpc.turns.send.mutate(input, { signal: aborted }), signal);
  }

  /**
   * A turn that somebody else began, or this client before: from `lastEventId`, else from its first event if it runs.
   * `expected`: it may not be there yet.
   */
  turn(turnId: string, { lastEventId, input = 'text', expected = false, signal }: TurnFollowOptions = {}): Turn {
    const beginning = { conversationId: this.id, turnId, input, parts: [] };
    const feed = this.#feeds.from(this.id, lastEventId);
    return Turn.attach({ line: this.#line, feed, beginning, isExpected: expected, signal });
  }

  /**
   * What becomes of a recording that the server has, from when it is acknowledged: its transcripts, then its turn. One of which
   * nothing becomes ends with `turn.failed`: NO_SPEECH, SEGMENTS_MISSING, TRANSCRIPTION_FAILED …
   */
  recording({ turnId, voiceSessionId }: Recorded, { lastEventId, signal }: EventsOptions = {}): Turn {
    const beginning = { conversationId: this.id, turnId, input: 'voice' as const, parts: [], voiceSessionId };
    const feed = this.#feeds.from(this.id, lastEventId);
    return Turn.attach({ line: this.#line, feed, beginning, isExpected: true, signal });
  }

  /** Lets the agent speak first when nobody has spoken yet. May be called as often as one likes. */
  async open(options: { speak?: boolean } = {}): Promise<Opened> {
    const { greetingTurnId, ...opened } = await this.greet(options);
    const { lastEventId } = opened;
    const greeting =
      greetingTurnId === undefined ? undefined : this.turn(greetingTurnId, { lastEventId, input: 'greeting' });
    return { ...opened, greeting };
  }

  /** The same without following the greeting. */
  greet(options: { speak?: boolean } = {}): Promise<Outputs['open']> {
    const input = { ...options, conversationId: this.id };
    return this.#line.persist((signal) => this.#line.trpc.conversations.open.mutate(input, { signal }));
  }

  /** The conversation, with its running turn if there is one. */
  get(options: { signal?: AbortSignal | undefined } = {}): Promise<Outputs['get']> {
    const input = { conversationId: this.id };
    return this.#line.persist((signal) => this.#line.trpc.conversations.get.query(input, { signal }), options.signal);
  }

  /** One page of its messages. */
  messages({ signal, ...options }: PageOptions = {}): Promise<Page<Message>> {
    const input = { ...options, conversationId: this.id };
    return this.#line.persist(
      (aborted) => this.#line.trpc.conversations.messages.query(input, { signal: aborted }),
      signal,
    );
  }

  /** Stops the running turn at once, text and speech. False when none runs, or the one that is named has ended. */
  async interrupt({ turnId, heard }: InterruptOptions = {}): Promise<boolean> {
    const input = {
      conversationId: this.id,
      ...(turnId !== undefined && { turnId }),
      ...(heard && { heard: { sentence: heard.sentence, playedMs: heard.playedMs } }),
    };
    const answer = await this.#line.persist((signal) => this.#line.trpc.turns.interrupt.mutate(input, { signal }));
    return answer.interrupted;
  }

  /** Speech stops, text goes on. False when nothing was spoken. */
  async stopSpeaking(): Promise<boolean> {
    const input = { conversationId: this.id };
    const answer = await this.#line.persist((signal) => this.#line.trpc.turns.stopSpeaking.mutate(input, { signal }));
    return answer.stopped;
  }

  /** A turn that failed or was interrupted, again, as a new turn: its id. */
  async retry(turnId: string): Promise<string> {
    const input = { turnId, retryId: newId() };
    const sent = await this.#line.persist((signal) => this.#line.trpc.turns.retry.mutate(input, { signal }));
    return sent.turnId;
  }

  rename(title: string): Promise<ConversationData> {
    const input = { conversationId: this.id, title };
    return this.#line.persist((signal) => this.#line.trpc.conversations.rename.mutate(input, { signal }));
  }

  /** Nothing more can be said in it. */
  end(): Promise<ConversationData> {
    const input = { conversationId: this.id };
    return this.#line.persist((signal) => this.#line.trpc.conversations.end.mutate(input, { signal }));
  }

  async delete(): Promise<void> {
    const input = { conversationId: this.id };
    await this.#line.persist((signal) => this.#line.trpc.conversations.delete.mutate(input, { signal }));
  }

  /** All of it as one document. */
  export(): Promise<Outputs['export']> {
    const input = { conversationId: this.id };
    return this.#line.persist((signal) => this.#line.trpc.conversations.export.query(input, { signal }));
  }

  /**
   * Says something that was recorded as a whole. Resolves when it is understood and stored, before the agent answers:
   * `recording` follows what comes of it. @throws ParleyFailure NO_SPEECH, TRANSCRIPTION_FAILED …
   */
  async speak(sound: SpeakInput, { signal, ...options }: SpeakOptions = {}): Promise<Recorded> {
    const input = { ...sound, ...options, conversationId: this.id, turnId: options.turnId ?? newId() };
    const { turnId, voiceSessionId } = await this.#line.persist(
      (aborted) => this.#line.trpc.voice.sendMessage.mutate(input, { signal: aborted }),
      signal,
      { tryMs: speakMs },
    );
    return { turnId, voiceSessionId };
  }

  /** A recorder of what is said in it. Its segments go by the client's queue, unless another is given. */
  record({ queue = this.#segments, ...options }: RecordOptions): Recorder {
    return createRecorder({ ...options, queue, conversationId: this.id });
  }

  /** A player of its answers, which tells the server what has been heard. It is to be pushed the conversation's events. */
  player(options: Omit<PlayerOptions, 'report'>): Player {
    return createPlayer({ ...options, report: (heard, signal) => this.reportPlayback(heard, signal) });
  }

  /** Tells the server how far the listener of a turn has come. */
  async reportPlayback(
    { turnId, sentence, playedMs }: Heard & { turnId: string },
    signal?: AbortSignal,
  ): Promise<void> {
    const input = { turnId, sentence, playedMs };
    await this.#line.once((aborted) => this.#line.trpc.turns.reportPlayback.mutate(input, { signal: aborted }), signal);
  }
}

function partsOf(content: string | TurnPart[]): TurnPart[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content;
}
