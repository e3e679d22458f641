import { type Attributes, type Context, context, type Span, SpanStatusCode, trace } from '@opentelemetry/api';
import type { MessageRow } from '@parley/db/repository/message';
import type { TurnRow } from '@parley/db/repository/turn';
import type { Metrics } from '@parley/shared/turn';
import type { Outcome, Settlement } from './settle.ts';
import type { Timing } from './timing.ts';
import { errorName } from './verdict.ts';

/** A part of a turn that takes time. Ending it again does nothing. */
export interface Step {
  /** Something happened in it, now or at another moment of this process's monotonic clock. */
  event(name: string, at?: number): void;
  end(attributes?: Attributes, failure?: unknown, at?: number): void;
}

const traces = new WeakMap<object, TurnTrace>();

/** OpenTelemetry's clock: the epoch in milliseconds, on this process's monotonic clock, so that no step ends before it began. */
const epoch = (at: number): number => performance.timeOrigin + at;

/**
 * One turn as OpenTelemetry spans: one for the turn, with children for speech to text, the prompt, the model, each sentence's
 * speech and the settling. Attributes are ids, names and numbers, never what anybody said. Where no SDK is registered all of this
 * does nothing. A turn that is handed over unanswered is told of by whoever runs it then.
 */
export class TurnTrace {
  readonly #turn: TurnRow;
  readonly #span: Span;
  readonly #context: Context;
  readonly #timing: Timing;
  readonly #onMetrics: (metrics: Metrics) => void;
  readonly #open = new Set<Step>();
  #isEnded = false;

  private constructor(
    turn: TurnRow,
    message: MessageRow | null,
    timing: Timing,
    onMetrics: (metrics: Metrics) => void,
  ) {
    this.#onMetrics = onMetrics;
    const { sttMs = 0 } = turn.request;
    this.#turn = turn;
    this.#timing = timing;
    // What is heard is heard before the turn is accepted, and is part of what its user waits for.
    const from = timing.acceptedAt - sttMs;
    const caller = trace.getSpanContext(context.active());
    this.#span = trace.getTracer('parley').startSpan('turn', {
      root: true,
      startTime: epoch(from),
      links: caller ? [{ context: caller }] : [],
      attributes: {
        'parley.turn.id': turn.id,
        'parley.turn.input': turn.input,
        'parley.turn.generation': turn.generation,
        'parley.conversation.id': turn.conversation_id,
        ...(turn.user_message_id !== null && { 'parley.message.id': turn.user_message_id }),
        ...(turn.retry_of !== null && { 'parley.turn.retry_of': turn.retry_of }),
      },
    });
    this.#context = trace.setSpan(context.active(), this.#span);
    if (turn.request.sttMs !== undefined) this.#heard(turn, message, from);
  }

  /** `onMetrics` is told what the turn took when it has been settled. */
  static begin(
    turn: TurnRow,
    message: MessageRow | null,
    timing: Timing,
    onMetrics: (metrics: Metrics) => void,
  ): TurnTrace {
    const begun = new TurnTrace(turn, message, timing, onMetrics);
    traces.set(turn, begun);
    return begun;
  }

  /** That of a turn which runs in this process. */
  static of(turn: { id: string }): TurnTrace | undefined {
    return traces.get(turn);
  }

  start(name: string, attributes: Attributes = {}, from = performance.now()): Step {
    const span = trace.getTracer('parley').startSpan(name, { attributes, startTime: epoch(from) }, this.#context);
    let isEnded = false;
    const step: Step = {
      event: (what, at = performance.now()) => void span.addEvent(what, undefined, epoch(at)),
      end: (more = {}, failure = undefined, at = performance.now()) => {
        if (isEnded) return;
        isEnded = true;
        this.#open.delete(step);
        span.setAttributes(more);
        if (failure !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: nameOf(failure) });
        span.end(epoch(at));
      },
    };
    if (span.isRecording()) this.#open.add(step);
    return step;
  }

  /** The turn is stopped where nothing is written any more. */
  abandon(why: string): void {
    this.#end({ 'parley.turn.status': why }, why);
  }

  /** The turn has been settled, or another generation of it has. */
  settled(settlement: Settlement, { status, code, metrics }: Outcome): void {
    if (settlement.kind !== 'settled') {
      this.abandon(settlement.kind);
      return;
    }
    this.#onMetrics(metrics);
    const { acceptedAt } = this.#timing;
    for (const [name, ms] of [
      ['first delta', metrics.firstDeltaMs],
      ['first sentence', metrics.firstSentenceMs],
      ['first audio', metrics.firstAudioMs],
    ] as const)
      if (ms !== undefined) this.#span.addEvent(name, undefined, epoch(acceptedAt + ms));
    const reply = settlement.message?.id;
    const attributes: Attributes = {
      'parley.turn.status': status,
      ...(reply !== undefined && { 'parley.reply.id': reply }),
    };
    this.#end(attributes, status === 'failed' ? code : undefined);
  }

  /** What the model's step ends with. */
  modelUsed(): Attributes {
    const { tokensIn = 0, tokensOut = 0, attempts } = this.#timing;
    return {
      'gen_ai.usage.input_tokens': tokensIn,
      'gen_ai.usage.output_tokens': tokensOut,
      'parley.attempts': attempts,
    };
  }

  #heard({ request }: TurnRow, message: MessageRow | null, from: number): void {
    const step = this.start('speech to text', { 'parley.provider': request.stt ?? '' }, from);
    const attributes: Attributes = {
      'parley.audio.ms': message?.duration_ms ?? 0,
      'parley.segments': message?.segment_ids?.length ?? 0,
      ...(message?.voice_session_id && { 'parley.voice_session.id': message.voice_session_id }),
    };
    step.end(attributes, undefined, this.#timing.acceptedAt);
  }

  #end(attributes: Attributes, failure: unknown): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    traces.delete(this.#turn);
    for (const step of this.#open) step.end({}, 'Stopped');
    this.#span.setAttributes(attributes);
    if (failure !== undefined) this.#span.setStatus({ code: SpanStatusCode.ERROR, message: nameOf(failure) });
    this.#span.end(epoch(performance.now()));
  }
}

const nameOf = (failure: unknown): string => (typeof failure === 'string' ? failure : errorName(failure));
