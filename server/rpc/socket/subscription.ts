import { callTRPCProcedure, getTRPCErrorFromUnknown, isTrackedEnvelope, TRPCError } from '@trpc/server';
import type { TRPCResultMessage } from '@trpc/server/rpc';
import type { Encoded } from '../../live/encode.ts';
import type { Sink } from '../../live/port.ts';
import { isAbortError, isAsyncIterable, stopped } from '../abort.ts';
import { pump } from '../pump.ts';
import { PushSource, type Started } from '../push.ts';
import type { Call, Line } from './line.ts';
import { tailOf } from './tail.ts';

/** starting → pushing or pumping → over. */
type State = 'starting' | 'pushing' | 'pumping' | 'over';

export interface Owner {
  /** Frees the id and the place, right before the client is told that it may use them again. */
  release(subscription: Subscription): void;
}

/**
 * One subscription of a connection. Speaks as the stock adapter does: `started` once its procedure has answered, then data,
 * then `stopped`; an error comes before `stopped`, or alone when the subscription never started.
 */
export class Subscription implements Sink {
  readonly #line: Line;
  readonly #owner: Owner;
  #call: Call;
  #state: State = 'starting';
  /** Ends the procedure and its iteration. Given up when its source pushes: then `#started` is what is stopped. */
  #controller: AbortController | undefined;
  #started: Started | undefined;
  #head = '';
  #failure: Error | undefined;

  constructor(line: Line, call: Call, owner: Owner) {
    this.#line = line;
    this.#call = call;
    this.#owner = owner;
  }

  get id(): Call['id'] {
    return this.#call.id;
  }

  async run(): Promise<void> {
    const controller = new AbortController();
    this.#controller = controller;
    try {
      const source = await this.#start(controller.signal);
      if (source instanceof PushSource) this.#push(source);
      else if (source) await this.#pump(source, controller);
      else if (this.#failure) this.#refuse(this.#failure);
      else this.#finish();
    } catch (cause) {
      this.#refuse(cause);
    }
  }

  /** By the client or because it is gone. */
  stop(): void {
    if (this.#state === 'pushing') this.end();
    else this.#controller?.abort(stopped);
  }

  fail(error: Error): void {
    if (this.#state === 'pushing') this.end(error);
    else {
      this.#failure ??= error;
      this.#controller?.abort(stopped);
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
    this.#started?.stop();
    if (error) this.#line.fail(this.#call, error);
    this.#finish();
  }

  /** What the procedure returned, or nothing when the subscription was stopped before. */
  async #start(signal: AbortSignal): Promise<AsyncIterable<unknown> | undefined> {
    const { serving, context } = this.#line;
    const opened = await context;
    if (!opened.ok) throw opened.error;
    if (signal.aborted || !this.#line.isOpen) return undefined;
    const { path, type, input, batchIndex } = this.#call;
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
    if (!signal.aborted && this.#line.isOpen) return source;
    if (!(source instanceof PushSource)) await source[Symbol.asyncIterator]().return?.();
    return undefined;
  }

  #push(source: PushSource): void {
    const { id, jsonrpc, path, batchIndex } = this.#call;
    // It may last for days: what it was asked with is not kept.
    this.#call = { id, jsonrpc, type: 'subscription', path, input: undefined, batchIndex };
    this.#controller = undefined;
    this.#head = `{"id":${asciiOf(id)}${jsonrpc ? ',"jsonrpc":"2.0"' : ''}`;
    this.#line.reply(this.#call, { type: 'started' });
    this.#state = 'pushing';
    try {
      this.#started = source.start(this);
      if (this.#isOver()) this.#started.stop();
    } catch (cause) {
      this.end(getTRPCErrorFromUnknown(cause));
    }
  }

  async #pump(source: AsyncIterable<unknown>, controller: AbortController): Promise<void> {
    this.#line.reply(this.#call, { type: 'started' });
    this.#state = 'pumping';
    const outcome = await pump(source, controller, async (value) => {
      await this.#line.outbox.ready();
      if (!this.#line.isOpen) controller.abort(stopped);
      if (controller.signal.aborted) return;
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
    if (this.#controller?.signal.aborted && error.code === 'INTERNAL_SERVER_ERROR' && isAbortError(error.cause)) {
      this.#finish();
      return;
    }
    this.#state = 'over';
    this.#owner.release(this);
    this.#line.fail(this.#call, error);
  }

  #isOver(): boolean {
    return this.#state === 'over';
  }

  #finish(): void {
    this.#state = 'over';
    this.#owner.release(this);
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
