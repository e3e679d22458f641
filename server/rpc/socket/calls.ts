import { limits } from '@parley/shared/limits';
import { ParleyError, type Reason } from '@parley/shared/reason';
import { TRPCError } from '@trpc/server';
import type { TRPCClientOutgoingMessage } from '@trpc/server/rpc';
import { stopped } from '../abort.ts';
import { answer } from './answer.ts';
import type { Call, Line } from './line.ts';
import { Subscription } from './subscription.ts';

/** What runs on one connection, and how much of it may. Made lazily: most connections hold one subscription. */
export class Calls {
  readonly #line: Line;
  #running: Set<AbortController> | undefined;
  #subscriptions: Map<number | string, Subscription> | undefined;
  #unwatch: (() => void) | undefined;

  constructor(line: Line) {
    this.#line = line;
  }

  handle(message: TRPCClientOutgoingMessage, batchIndex: number): void {
    const { id, jsonrpc } = message;
    if (id === null) {
      this.#line.refuse({ id, jsonrpc, error: new ParleyError('INVALID_MESSAGE') });
      return;
    }
    if (message.method === 'subscription.stop') {
      this.#subscriptions?.get(id)?.stop();
      return;
    }
    const { path, input, lastEventId } = message.params;
    const call = { id, jsonrpc, type: message.method, path, input: withLastEventId(input, lastEventId), batchIndex };
    if (call.type === 'subscription') this.#subscribe(call);
    else this.#answer(call);
  }

  #answer(call: Call): void {
    this.#running ??= new Set();
    const calls = this.#running;
    if (calls.size >= limits.socketCalls || this.#line.outbox.replyBytes > limits.subscriberBytes) {
      this.#over(call, 'RATE_LIMITED');
      return;
    }
    const controller = new AbortController();
    calls.add(controller);
    void answer(this.#line, call, controller.signal).finally(() => calls.delete(controller));
  }

  #subscribe(call: Call): void {
    this.#subscriptions ??= new Map();
    const subscriptions = this.#subscriptions;
    if (subscriptions.has(call.id)) {
      this.#line.fail(call, new TRPCError({ code: 'BAD_REQUEST', message: `Duplicate id ${call.id}` }));
      return;
    }
    if (subscriptions.size >= limits.socketSubscriptions) {
      this.#over(call, 'TOO_MANY_SUBSCRIPTIONS');
      return;
    }
    const subscription = new Subscription(this.#line, call, this);
    subscriptions.set(call.id, subscription);
    void subscription.run();
    this.#watch();
  }

  /** Ends the subscriptions when the credential does. Watched from the first subscription on: calls are checked one by one. */
  #watch(): void {
    if (this.#unwatch) return;
    this.#unwatch = watching;
    void this.#line.context.then((opened) => {
      if (!this.#line.isOpen || !opened.ok || !opened.ctx.onInvalid) return;
      this.#unwatch = opened.ctx.onInvalid(() => {
        this.endSubscriptions(this.#line.invalid() ?? new ParleyError('UNAUTHENTICATED'));
      });
    });
  }

  endSubscriptions(error: ParleyError): void {
    for (const subscription of this.#subscriptions?.values() ?? []) subscription.fail(error);
  }

  /** The connection is gone. */
  stop(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
    for (const controller of this.#running ?? []) controller.abort(stopped);
    for (const subscription of this.#subscriptions?.values() ?? []) subscription.stop();
  }

  /** A subscription is over: its id and its place are free. */
  release(call: Call): void {
    this.#subscriptions?.delete(call.id);
  }

  #over(call: Call, reason: Reason): void {
    const { id, jsonrpc, path } = call;
    this.#line.refuse({ id, jsonrpc, path, error: new ParleyError(reason) });
  }
}

function watching(): void {}

function withLastEventId(input: unknown, lastEventId: string | undefined): unknown {
  if (lastEventId === undefined) return input;
  if (input === undefined || input === null) return { lastEventId };
  return typeof input === 'object' && !Array.isArray(input) ? { ...input, lastEventId } : input;
}
