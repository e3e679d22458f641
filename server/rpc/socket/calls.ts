import { limits } from '@parley/shared/limits';
import { ParleyError, type Reason } from '@parley/shared/reason';
import { TRPCError } from '@trpc/server';
import type { TRPCClientOutgoingMessage } from '@trpc/server/rpc';
import { Few } from '../../live/few.ts';
import { stopped } from '../abort.ts';
import type { CredentialListener } from '../transport.ts';
import { answer } from './answer.ts';
import type { Call, Line } from './line.ts';
import { Subscription } from './subscription.ts';

/** What runs on one connection, and how much of it may. Made lazily: most connections hold one subscription. */
export class Calls implements CredentialListener {
  readonly #line: Line;
  #running: Set<AbortController> | undefined;
  readonly #subscriptions = new Few<Subscription>();
  #isListening = false;

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
      this.#subscription(id)?.stop();
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
    if (this.#subscription(call.id)) {
      this.#line.fail(call, new TRPCError({ code: 'BAD_REQUEST', message: `Duplicate id ${call.id}` }));
      return;
    }
    if (this.#subscriptions.size >= limits.socketSubscriptions) {
      this.#over(call, 'TOO_MANY_SUBSCRIPTIONS');
      return;
    }
    const subscription = new Subscription(this.#line, call, this);
    this.#subscriptions.add(subscription);
    void subscription.run();
    void this.#listen();
  }

  #subscription(id: Call['id']): Subscription | undefined {
    return this.#subscriptions.find((subscription) => subscription.id === id);
  }

  /** Hears of the credential's end from the first subscription on: calls are checked one by one. */
  async #listen(): Promise<void> {
    if (this.#isListening) return;
    this.#isListening = true;
    const opened = await this.#line.context;
    if (this.#line.isOpen && opened.ok) opened.ctx.listen?.(this);
  }

  onInvalid(): void {
    this.endSubscriptions(this.#line.invalid() ?? new ParleyError('UNAUTHENTICATED'));
  }

  /** Whether there was one to be told. */
  endSubscriptions(error: ParleyError): boolean {
    const all = [...this.#subscriptions.all()];
    for (const subscription of all) subscription.fail(error);
    return all.length > 0;
  }

  /** The connection is gone. */
  stop(): void {
    for (const controller of this.#running ?? []) controller.abort(stopped);
    for (const subscription of this.#subscriptions.all()) subscription.stop();
  }

  /** A subscription is over: its id and its place are free. */
  release(subscription: Subscription): void {
    this.#subscriptions.delete(subscription);
  }

  #over(call: Call, reason: Reason): void {
    const { id, jsonrpc, path } = call;
    this.#line.refuse({ id, jsonrpc, path, error: new ParleyError(reason) });
  }
}

function withLastEventId(input: unknown, lastEventId: string | undefined): unknown {
  if (lastEventId === undefined) return input;
  if (input === undefined || input === null) return { lastEventId };
  return typeof input === 'object' && !Array.isArray(input) ? { ...input, lastEventId } : input;
}
