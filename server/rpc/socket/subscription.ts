import { callTRPCProcedure, getTRPCErrorFromUnknown, isTrackedEnvelope, TRPCError } from '@trpc/server';
import type { TRPCResultMessage } from '@trpc/server/rpc';
import type { Encoded } from '../../live/encode.ts';
import type { Sink } from '../../live/port.ts';
import { isAbortError, isAsyncIterable, stopped } from '../abort.ts';
import { pump } from '../pump.ts';
import { PushSource } from '../push.ts';
import type { Call, Line } from './line.ts';
import { tailOf } from './tail.ts';

/** starting → pushing or pumping → over. */
type State = 'starting' | 'pushing' | 'pumping' | 'over';

export interface Owner {
  /** Frees the id and the place, right before the client is told that it may use them again. */
  release(call: Call): void;
}

/**
 * One subscription of a connection. Speaks as the stock adapter does: `started` once its procedure has answered, then data,
 * then `stopped`; an error comes before `stopped`, or alone when the subscription never started.
 */
export class Subscription implements Sink {
  readonly #line: Line;
  readonly #call: Call;
  readonly #owner: Owner;
  readonly #controller = new AbortController();
  #state: State = 'starting';
  #head = '';
  #stop: (() => void) | undefined;
  #failure: Error | undefined;

  constructor(line: Line, call: Call, owner: Owner) {
    this.#line = line;
    this.#call = call;
    this.#owner = owner;
  }

  async run(): Promise<void> {
    try {
      const source = await this.#start();
      if (source instanceof PushSource) this.#push(source);
      else if (source) await this.#pump(source);
      else if (this.#failure) this.#refuse(this.#failure);
      else this.#finish();
    } catch (cause) {
      this.#refuse(cause);
    }
  }

  /** By the client or because it is gone. */
  stop(): void {
    if (this.#state === 'pushing') this.end();
    else this.#controller.abort(stopped);
  }

  fail(error: Error): void {
    if (this.#state === 'pushing') this.end(error);
    else {
      this.#failure ??= error;
      this.#controller.abort(stopped);
    }
  }

  event(id: string, event: Encoded): void {
    if (this.#state !== 'pushing') return;
    const invalid = this.#line.invalid();
    if (invalid) this.end(invalid);
    else this.#line.outbox.push(this.#head, tailOf(event, id, this.#line.wire.isBinary));
  }

  ready(): Promise<void> {
    return this.#line.outbox.ready();
  }

  end(error?: Error): void {
    if (this.#state !== 'pushing') return;
    this.#state = 'over';
    this.#stop?.();
    this.#controller.abort(stopped);
    if (error) this.#line.fail(this.#call, error);
    this.#finish();
  }

  /** What the procedure returned, or nothing when the subscription was stopped before. */
  async #start(): Promise<AsyncIterable<unknown> | undefined> {
    const { serving, context } = this.#line;
    const opened = await context;
    if (!opened.ok) throw opened.error;
    if (this.#isStopped()) return undefined;
    const { path, type, input, batchIndex } = this.#call;
    const { signal } = this.#controller;
    const source: unknown = await callTRPCProcedure({
      router: serving.router,
      path,
      getRawInput: async () => input,
      ctx: opened.ctx,
      type,
      signal,
      batchIndex,
    });
    if (!isAsyncIterable(source)) {
      throw new TRPCError({
        code: 'INTERNAL_SERVER_ERROR',
        message: `Subscription ${path} did not return an AsyncIterable`,
      });
    }
    const invalid = this.#line.invalid();
    if (invalid) throw invalid;
    if (!this.#isStopped()) return source;
    if (!(source instanceof PushSource)) await source[Symbol.asyncIterator]().return?.();
    return undefined;
  }

  #isStopped(): boolean {
    return this.#controller.signal.aborted || !this.#line.isOpen;
  }

  #push(source: PushSource): void {
    const { id, jsonrpc } = this.#call;
    this.#head = `{"id":${asciiOf(id)}${jsonrpc ? ',"jsonrpc":"2.0"' : ''}`;
    this.#line.reply(this.#call, { type: 'started' });
    this.#state = 'pushing';
    try {
      this.#stop = source.start(this);
      if (this.#isOver()) this.#stop();
    } catch (cause) {
      this.end(getTRPCErrorFromUnknown(cause));
    }
  }

  async #pump(source: AsyncIterable<unknown>): Promise<void> {
    this.#line.reply(this.#call, { type: 'started' });
    this.#state = 'pumping';
    const outcome = await pump(source, this.#controller, async (value) => {
      await this.#line.outbox.ready();
      if (!this.#line.isOpen) this.#controller.abort(stopped);
      if (this.#controller.signal.aborted) return;
      const invalid = this.#line.invalid();
      if (invalid) throw invalid;
      this.#line.reply(this.#call, resultOf(value));
    });
    const failure = this.#failure ?? outcome.failure;
    if (failure !== undefined) this.#line.fail(this.#call, failure);
    if (outcome.cleanup !== undefined) this.#report(outcome.cleanup);
    this.#finish();
  }

  /** The subscription never started. A procedure that gave up because it was stopped has not failed. */
  #refuse(cause: unknown): void {
    const error = getTRPCErrorFromUnknown(this.#failure ?? cause);
    const { aborted } = this.#controller.signal;
    if (aborted && error.code === 'INTERNAL_SERVER_ERROR' && isAbortError(error.cause)) {
      this.#finish();
      return;
    }
    this.#state = 'over';
    this.#owner.release(this.#call);
    this.#line.fail(this.#call, error);
  }

  #isOver(): boolean {
    return this.#state === 'over';
  }

  #finish(): void {
    this.#state = 'over';
    this.#owner.release(this.#call);
    this.#line.reply(this.#call, { type: 'stopped' });
  }

  #report(cause: unknown): void {
    const { path, type, input } = this.#call;
    this.#line.report({ error: getTRPCErrorFromUnknown(cause), path, type, input });
  }
}

/** JSON in which no character takes more than a byte, so that it can be written without being measured. */
function asciiOf(id: number | string): string {
  return JSON.stringify(id).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function resultOf(value: unknown): TRPCResultMessage<unknown>['result'] {
  if (!isTrackedEnvelope(value)) return { type: 'data', data: value };
  const [id, data] = value;
  return { type: 'data', data: { id, data }, id };
}
