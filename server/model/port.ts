import type { Reason } from '@parley/shared/reason';

/** One message of a prompt. */
export interface PromptMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

export interface ModelRequest {
  messages: readonly PromptMessage[];
  /** Overrides the configured model. */
  model?: string | undefined;
  temperature?: number | undefined;
  /** The user's locale, for a model that has no other way to know. */
  locale: string;
  /** Tells the local model what kind of turn this is. */
  purpose: 'answer' | 'greeting';
}

/** A piece of an answer, in the order it came. */
export type ModelPart =
  | { type: 'text'; text: string }
  /** Thinking aloud: never shown, spoken or stored. */
  | { type: 'reasoning' }
  | { type: 'usage'; tokensIn: number; tokensOut: number }
  /** The last part, always. Without it the answer did not end, whatever the connection says. */
  | { type: 'finish'; reason: 'stop' | 'length' | 'content_filter' | 'tool_calls' };

/** What went wrong with a model. `retryAfterMs` is the service's own wish. */
export class ModelError extends Error {
  override readonly name = 'ModelError';
  readonly reason: Extract<Reason, 'MODEL_UNAVAILABLE' | 'MODEL_INCOMPLETE' | 'MODEL_TIMEOUT'>;
  /** Whether another attempt of the same request could succeed. */
  readonly transient: boolean;
  readonly retryAfterMs: number | undefined;
  constructor(
    reason: 'MODEL_UNAVAILABLE' | 'MODEL_INCOMPLETE' | 'MODEL_TIMEOUT',
    options: { transient: boolean; retryAfterMs?: number | undefined; cause?: unknown; message?: string },
  ) {
    super(options.message ?? reason, { cause: options.cause });
    this.reason = reason;
    this.transient = options.transient;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/**
 * A language model. `stream` makes one attempt at one answer: text parts as the service sends them, then `finish`.
 * It throws ModelError; when `signal` aborts it stops the request at once and throws the signal's reason.
 */
export interface Model {
  readonly name: string;
  readonly model: string;
  readonly description?: string;
  stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelPart, void>;
}
