import type { Event, EventType } from '@parley/shared/event';
import type { Reason } from '@parley/shared/reason';
import { isTerminal } from '@parley/shared/terminal';
import type { Metrics, TurnMedium, TurnStatus } from '@parley/shared/turn';

/** One event on a turn's timeline, or several of the same kind that follow each other. */
export interface Moment {
  /** The first one's place in the log. */
  readonly id: string;
  readonly type: EventType;
  /** Milliseconds since the epoch: on the server's clock, of the first and of the last; and on ours, of the last. */
  readonly at: number;
  readonly lastAt: number;
  readonly receivedAt: number;
  readonly count: number;
  /** What they carry: characters of text, bytes of sound. */
  readonly characters: number;
  readonly bytes: number;
  readonly sentence?: number;
}

/** When things first happened: milliseconds since the epoch, on the server's clock. */
export interface TurnTimes {
  readonly startedAt?: number;
  readonly firstDeltaAt?: number;
  readonly firstSentenceAt?: number;
  readonly firstAudioAt?: number;
  readonly endedAt?: number;
}

/** Milliseconds from the turn's acceptance; `sttMs` is what lay before it. Measured by the server once the turn has ended. */
export type Latency = Pick<Metrics, 'sttMs' | 'firstDeltaMs' | 'firstSentenceMs' | 'firstAudioMs'> & {
  totalMs?: number;
};

export interface TurnRecord {
  readonly id: string;
  /** `ended`: within a gap, and how is not known. */
  readonly status: Exclude<TurnStatus, 'queued'> | 'ended';
  /** What began it; null when that was not seen. */
  readonly input: TurnMedium | null;
  readonly voiceSessionId?: string;
  readonly userMessageId?: string;
  /** The stored answer. */
  readonly messageId?: string;
  readonly moments: readonly Moment[];
  readonly times: TurnTimes;
  readonly latency: Latency;
  /** What is spoken, one text a sentence, in order. */
  readonly sentences: readonly { readonly sentence: number; readonly text: string; readonly bubble: number }[];
  readonly metrics?: Metrics;
  readonly failure?: { readonly code: Reason; readonly message: string; readonly retryable: boolean };
}

/** Moments of one turn: more are counted in the last one of their kind. */
const mostMoments = 2_000;

/** Kinds of which those that follow each other are one moment. */
const streamed: ReadonlySet<EventType> = new Set<EventType>(['agent.delta', 'agent.audio', 'transcript.partial']);

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** A turn's record as it is written; `record` is the same object until something has changed. */
export class TurnWriter {
  readonly id: string;
  readonly #moments: Writable<Moment>[] = [];
  readonly #times: Writable<TurnTimes> = {};
  readonly #sentences: Writable<TurnRecord['sentences'][number]>[] = [];
  #rest: Partial<Writable<TurnRecord>> = {};
  #status: TurnRecord['status'] = 'running';
  #record: TurnRecord | undefined;

  constructor(id: string) {
    this.id = id;
  }

  get record(): TurnRecord {
    this.#record ??= {
      input: null,
      ...this.#rest,
      id: this.id,
      status: this.#status,
      moments: this.#moments.map((moment) => ({ ...moment })),
      times: { ...this.#times },
      latency: latencyOf(this.#times, this.#rest.metrics),
      sentences: this.#sentences.map((sentence) => ({ ...sentence })),
    };
    return this.#record;
  }

  write(id: string, event: Event, receivedAt: number): void {
    this.#record = undefined;
    this.#note(id, event, receivedAt);
    switch (event.type) {
      case 'turn.started':
        this.#times.startedAt ??= event.at;
        this.#rest.input = event.input;
        if (event.userMessageId !== undefined) this.#rest.userMessageId = event.userMessageId;
        return;
      case 'agent.delta':
        this.#times.firstDeltaAt ??= event.at;
        return;
      case 'agent.text':
        this.#times.firstSentenceAt ??= event.at;
        if (!this.#sentences.some(({ sentence }) => sentence === event.sentence))
          this.#sentences.push({ sentence: event.sentence, text: event.text, bubble: event.bubble });
        return;
      case 'agent.audio':
        this.#times.firstAudioAt ??= event.at;
        return;
      case 'transcript.final':
        this.#rest.voiceSessionId = event.voiceSessionId;
        return;
      case 'message.saved':
        if (event.role === 'human') this.#rest.userMessageId = event.message.id;
        else this.#rest.messageId = event.message.id;
        if (event.voiceSessionId !== undefined) this.#rest.voiceSessionId = event.voiceSessionId;
        return;
      case 'turn.metrics': {
        const { type, conversationId, turnId, at, ...metrics } = event;
        this.#rest.metrics = metrics;
        return;
      }
      default:
        if (isTerminal(event)) this.#end(event);
    }
  }

  /** It ended without our hearing how, within a gap. */
  settle(status: TurnRecord['status'], messageId?: string): void {
    this.#record = undefined;
    this.#status = status;
    if (messageId !== undefined) this.#rest.messageId = messageId;
  }

  #end(event: Extract<Event, { type: 'turn.completed' | 'turn.interrupted' | 'turn.failed' }>): void {
    this.#times.endedAt = event.at;
    if (event.messageId !== undefined) this.#rest.messageId = event.messageId;
    if (event.type !== 'turn.failed') {
      this.#status = event.type === 'turn.completed' ? 'completed' : 'interrupted';
      return;
    }
    const { code, message, retryable } = event;
    this.#status = 'failed';
    this.#rest.failure = { code, message, retryable };
  }

  #note(id: string, event: Event, receivedAt: number): void {
    const sentence = 'sentence' in event ? event.sentence : undefined;
    const characters = 'text' in event && typeof event.text === 'string' ? event.text.length : 0;
    const bytes = event.type === 'agent.audio' ? event.data.length : 0;
    const known = this.#moments.findLast(({ type }) => type === event.type);
    const last = this.#moments.at(-1);
    const follows = known && known === last && streamed.has(event.type) && known.sentence === sentence;
    if (known && (follows || this.#moments.length >= mostMoments)) {
      known.count++;
      known.lastAt = event.at;
      known.receivedAt = receivedAt;
      known.characters += characters;
      known.bytes += bytes;
      return;
    }
    this.#moments.push({
      id,
      type: event.type,
      at: event.at,
      lastAt: event.at,
      receivedAt,
      count: 1,
      characters,
      bytes,
      ...(sentence !== undefined && { sentence }),
    });
  }
}

function latencyOf(times: TurnTimes, metrics: Metrics | undefined): Latency {
  if (metrics) {
    const { sttMs, firstDeltaMs, firstSentenceMs, firstAudioMs, totalMs } = metrics;
    return {
      ...(sttMs !== undefined && { sttMs }),
      ...(firstDeltaMs !== undefined && { firstDeltaMs }),
      ...(firstSentenceMs !== undefined && { firstSentenceMs }),
      ...(firstAudioMs !== undefined && { firstAudioMs }),
      totalMs,
    };
  }
  const { startedAt, firstDeltaAt, firstSentenceAt, firstAudioAt, endedAt } = times;
  if (startedAt === undefined) return {};
  return {
    ...(firstDeltaAt !== undefined && { firstDeltaMs: firstDeltaAt - startedAt }),
    ...(firstSentenceAt !== undefined && { firstSentenceMs: firstSentenceAt - startedAt }),
    ...(firstAudioAt !== undefined && { firstAudioMs: firstAudioAt - startedAt }),
    ...(endedAt !== undefined && { totalMs: endedAt - startedAt }),
  };
}
