import { pause } from '@parley/shared/pause';
import { storable } from '@parley/shared/storable';
import type { Model, ModelPart, ModelRequest } from '../model/port.ts';
import { ModelError } from '../model/port.ts';

/** A piece of an answer that may be used: text in order, then perhaps the usage, then the finish, which is always last. */
export type ReplyPart = Exclude<ModelPart, { type: 'reasoning' }>;

/** All times in milliseconds. */
export interface ReplyOptions {
  /** From the start of an attempt to its first text or reasoning. Default 20,000. */
  firstTokenMs?: number | undefined;
  /** Between two parts of one answer. Default 30,000. */
  idleMs?: number | undefined;
  /** From the call to the finish, over all attempts and the waits between them. Default 300,000. */
  totalMs?: number | undefined;
  /** How often the model is asked at most. Default 3. */
  attempts?: number | undefined;
  /** The wait before the second attempt, doubled for each later one and shortened by up to half at random. Default 250. */
  backoffMs?: number | undefined;
  /** The longest wait that is worth it; a service that wants a longer one is not asked again. Default 10,000. */
  maxBackoffMs?: number | undefined;
  /** Called before each attempt (1, 2 …), with the failure that made it necessary. */
  onAttempt?: ((attempt: number, after: ModelError | undefined) => void) | undefined;
}

/**
 * One answer of a model, within deadlines, and asked for again when that can help.
 *
 * An attempt that fails before any text was yielded, in a way that may pass, is repeated after a wait; afterwards a
 * failure is final, because what was yielded may have been seen. Text without a finish is `MODEL_INCOMPLETE`.
 * Throws ModelError, or the signal's reason as soon as it aborts, whatever the model does. The model's own signal is
 * aborted and its generator closed in every case.
 */
export async function* reply(
  model: Model,
  request: ModelRequest,
  options: ReplyOptions,
  signal: AbortSignal,
): AsyncGenerator<ReplyPart, void> {
  const { firstTokenMs = 20_000, idleMs = 30_000, totalMs = 300_000, attempts = 3 } = options;
  const { backoffMs = 250, maxBackoffMs = 10_000 } = options;
  const endsAt = performance.now() + totalMs;
  let failure: ModelError | undefined;
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    options.onAttempt?.(attempt, failure);
    let yielded = false;
    const running = new Attempt(model, request, endsAt, signal);
    try {
      for (let limitMs = firstTokenMs; ; ) {
        const part = await running.next(limitMs);
        if (part === undefined) throw new ModelError('MODEL_INCOMPLETE', { transient: true });
        if (part.type === 'reasoning') {
          limitMs = idleMs;
        } else if (part.type === 'text') {
          limitMs = idleMs;
          // What is delivered is what will be stored.
          const text = storable(part.text);
          if (text === '') continue;
          yielded = true;
          yield { type: 'text', text };
        } else {
          yield part;
          if (part.type === 'finish') return;
        }
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ModelError) || yielded || !error.transient || attempt >= attempts) throw error;
      failure = error;
    } finally {
      running.close();
    }
    const wish = backoffMs * 2 ** (attempt - 1) * (1 - Math.random() / 2);
    const waitMs = Math.max(Math.min(wish, maxBackoffMs), failure.retryAfterMs ?? 0);
    if (waitMs > maxBackoffMs || performance.now() + waitMs >= endsAt) throw failure;
    await pause(waitMs, signal);
  }
}

/**
 * One run of a model, watched: `next` settles when the model gives a part, when its deadline has passed or when the
 * signal aborts, whichever is first. One timer serves all parts: it is moved only when it fires too early.
 */
class Attempt {
  readonly #signal: AbortSignal;
  readonly #endsAt: number;
  readonly #controller = new AbortController();
  readonly #parts: AsyncGenerator<ModelPart, void>;
  #fail: ((error: unknown) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = 0;
  #dueAt = 0;

  constructor(model: Model, request: ModelRequest, endsAt: number, signal: AbortSignal) {
    this.#signal = signal;
    this.#endsAt = endsAt;
    this.#parts = model.stream(request, this.#controller.signal);
    signal.addEventListener('abort', this.#onAbort);
  }

  /** The next part, or undefined at the end; within `limitMs`, and before the attempt's total deadline. */
  next(limitMs: number): Promise<ModelPart | undefined> {
    return new Promise((resolve, reject) => {
      this.#signal.throwIfAborted();
      const now = performance.now();
      this.#dueAt = Math.min(now + limitMs, this.#endsAt);
      if (now >= this.#endsAt) throw this.#late(now);
      this.#fail = reject;
      if (this.#timer === undefined || this.#dueAt < this.#timerAt) this.#arm(now);
      this.#parts.next().then((result) => {
        this.#fail = undefined;
        resolve(result.done ? undefined : result.value);
      }, reject);
    });
  }

  /** Ends the run. It does not wait for the model: one that never settles must not hold up anybody. */
  close(): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
    clearTimeout(this.#timer);
    this.#fail = undefined;
    this.#controller.abort();
    this.#parts.return().catch(() => undefined);
  }

  readonly #onAbort = (): void => {
    this.#controller.abort(this.#signal.reason);
    this.#fail?.(this.#signal.reason);
  };

  readonly #onTimer = (): void => {
    this.#timer = undefined;
    if (this.#fail === undefined) return;
    const now = performance.now();
    if (now < this.#dueAt) this.#arm(now);
    else this.#fail(this.#late(now));
  };

  #arm(now: number): void {
    clearTimeout(this.#timer);
    this.#timerAt = this.#dueAt;
    this.#timer = setTimeout(this.#onTimer, Math.ceil(this.#dueAt - now));
  }

  /** A stalled attempt may be repeated; a spent total deadline leaves no time for it. */
  #late(now: number): ModelError {
    const message = now >= this.#endsAt ? 'the answer took too long' : 'the model fell silent';
    return new ModelError('MODEL_TIMEOUT', { transient: now < this.#endsAt, message });
  }
}
