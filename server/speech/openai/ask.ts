import { pause } from '@parley/shared/pause';
import OpenAI, { APIConnectionError, APIError } from 'openai';
import { fetchBounded } from '../../openai/fetch-bounded.ts';
import { SpeechError, type SpeechReason } from '../port.ts';

export interface ServiceOptions {
  /** None for a service that wants none. */
  apiKey?: string | undefined;
  /** Of any service that speaks the same wire. Default `https://api.openai.com/v1`. */
  baseURL?: string | undefined;
  /** Deadlines in milliseconds: until an answer begins, between its pieces, and for all of it with every attempt. */
  deadlines?: Partial<Deadlines> | undefined;
}

export interface Deadlines {
  firstByteMs: number;
  idleMs: number;
  totalMs: number;
}

const standardDeadlines: Deadlines = { firstByteMs: 10_000, idleMs: 10_000, totalMs: 60_000 };
/** One more attempt, when the first one failed before its answer began. */
const attempts = 2;
/** Milliseconds before the second attempt, and the longest wait that a service may ask for. */
const pauseMs = { standard: 250, most: 2_000 };

/** An answer whose bytes come in time, or whose reading throws SpeechError. */
export interface Answer {
  /** In lower case, without parameters; empty when the service names none. */
  type: string;
  pieces: AsyncGenerator<Uint8Array<ArrayBuffer>, void>;
}

export interface Service {
  /**
   * Makes a request and hands its answer to `read`, whose pieces it passes on. A transient failure before the answer's
   * first byte is tried once more. However it ends, the connection is closed or free for the next request.
   */
  ask<Piece>(
    request: (client: OpenAI, signal: AbortSignal) => PromiseLike<Response>,
    read: (answer: Answer) => AsyncGenerator<Piece, void>,
    signal: AbortSignal,
  ): AsyncGenerator<Piece, void>;
}

type Unavailable = Extract<SpeechReason, 'STT_UNAVAILABLE' | 'TTS_UNAVAILABLE'>;

/** Speech over OpenAI's wire, with deadlines of its own: the package's do not cover a stall within an answer. */
export function speechService({ apiKey, baseURL, deadlines }: ServiceOptions, reason: Unavailable): Service {
  const limits = { ...standardDeadlines, ...deadlines };
  const client = new OpenAI({
    apiKey: apiKey || 'none',
    baseURL: baseURL || 'https://api.openai.com/v1',
    organization: null,
    project: null,
    adminAPIKey: null,
    webhookSecret: null,
    maxRetries: 0,
    timeout: limits.totalMs + 1_000,
    logLevel: 'off',
    fetch: fetchBounded,
  });
  return {
    async *ask(request, read, signal) {
      signal.throwIfAborted();
      const end = performance.now() + limits.totalMs;
      for (let attempt = 1; ; attempt++) {
        const connection = new Connection(signal, { ...limits, totalMs: end - performance.now() }, reason);
        try {
          yield* read(await connection.open(request(client, connection.signal)));
          return;
        } catch (error) {
          signal.throwIfAborted();
          const failure = failureOf(error, reason);
          const waitMs = retryAfter(error);
          const isLate = performance.now() + waitMs >= end;
          if (attempt >= attempts || connection.hasBegun || !failure.transient || isLate) throw failure;
          await pause(waitMs, signal);
        } finally {
          connection.close();
        }
      }
    },
  };
}

/** One attempt: the request, its answer, and the deadlines over both. */
class Connection {
  readonly #abort = new AbortController();
  readonly #outer: AbortSignal;
  readonly #limits: Deadlines;
  readonly #reason: Unavailable;
  readonly #total: NodeJS.Timeout;
  #timer: NodeJS.Timeout | undefined;
  #body: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined;
  hasBegun = false;
  #isRead = false;

  constructor(outer: AbortSignal, limits: Deadlines, reason: Unavailable) {
    this.#outer = outer;
    this.#limits = limits;
    this.#reason = reason;
    outer.addEventListener('abort', this.#onOuter, { once: true });
    this.#total = setTimeout(() => this.#abort.abort(this.#late('the service takes too long')), limits.totalMs);
    this.#expect(limits.firstByteMs);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  async open(request: PromiseLike<Response>): Promise<Answer> {
    const response = await this.#inTime(request);
    const type = response.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() ?? '';
    this.#body = response.body?.getReader();
    return { type, pieces: this.#read() };
  }

  close(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#total);
    this.#outer.removeEventListener('abort', this.#onOuter);
    // An answer that was read to its end leaves its connection to the next request.
    if (!this.#isRead) this.#abort.abort();
  }

  async *#read(): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
    for (;;) {
      const next = await this.#inTime(this.#body?.read() ?? Promise.resolve(undefined));
      if (next === undefined || next.done) {
        this.#isRead = true;
        return;
      }
      if (next.value.length === 0) continue;
      this.hasBegun = true;
      // The time of whoever reads is not the service's.
      clearTimeout(this.#timer);
      yield next.value;
      this.#expect(this.#limits.idleMs);
    }
  }

  /** What was asked for, or the reason for which it does not come any more. */
  async #inTime<Value>(asked: PromiseLike<Value>): Promise<Value> {
    try {
      return await asked;
    } catch (error) {
      throw this.#abort.signal.aborted ? this.#abort.signal.reason : error;
    }
  }

  #expect(ms: number): void {
    this.#timer = setTimeout(() => this.#abort.abort(this.#late('the service does not answer')), ms);
  }

  readonly #onOuter = (): void => this.#abort.abort(this.#outer.reason);

  #late(message: string): SpeechError {
    return new SpeechError(this.#reason, { transient: true, unanswered: true, message });
  }
}

/** Messages never carry the service's text. */
function failureOf(error: unknown, reason: Unavailable): SpeechError {
  if (error instanceof SpeechError) return error;
  if (error instanceof APIConnectionError) {
    const message = 'no connection to the service';
    return new SpeechError(reason, { transient: true, unanswered: true, cause: error, message });
  }
  if (error instanceof APIError && error.status !== undefined) {
    const { status } = error;
    const isQuota = /insufficient_quota|billing/.test(`${error.code} ${error.type}`);
    const transient = !isQuota && (status >= 500 || [408, 409, 425, 429].includes(status));
    // What the service will not take as sound is no fault of the service.
    const isSound = reason === 'STT_UNAVAILABLE' && (status === 400 || status === 413 || status === 422);
    const own = isSound ? 'TRANSCRIPTION_FAILED' : reason;
    return new SpeechError(own, { transient, cause: error, message: `the service answered ${status}` });
  }
  return new SpeechError(reason, { transient: true, cause: error, message: 'the connection to the service was lost' });
}

function retryAfter(error: unknown): number {
  const asked = error instanceof APIError ? error.headers?.get('retry-after') : undefined;
  const seconds = asked === undefined || asked === null || asked.trim() === '' ? Number.NaN : Number(asked);
  const ms = Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : pauseMs.standard * (0.75 + Math.random() / 2);
  return Math.min(ms, pauseMs.most);
}
