import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { limits } from '@parley/shared/limits';
import { ParleyError, type Reason } from '@parley/shared/reason';
import { TRPCError } from '@trpc/server';
import { parseConnectionParamsFromUnknown } from '@trpc/server/http';
import type { TRPCResponseMessage, TRPCResultMessage } from '@trpc/server/rpc';
import type { WebSocket } from 'ws';
import { stopped } from '../abort.ts';
import { errorShapeFor, toTRPCError } from '../failure.ts';
import { type CallContext, type CallFailure, describeFailure, reportFailure, type Serving } from '../transport.ts';
import { Calls } from './calls.ts';
import type { Call, Line, Opened, Refusal } from './line.ts';
import { receive } from './message.ts';
import { Outbox } from './outbox.ts';
import { Progress } from './progress.ts';
import type { Wire } from './wire.ts';

const mostBroken = 10;

/** One WebSocket: its context, its calls and its subscriptions. Timers are the registry's, which sweeps all sessions. */
export class Session implements Line {
  readonly serving: Serving;
  readonly wire: Wire;
  readonly outbox: Outbox;
  /** Milliseconds, whole ones: a fraction would be an object of its own. */
  readonly born = Math.trunc(performance.now());
  /** When the client was last heard, and when it was asked to say something. */
  heard = this.born;
  asked: number | undefined;
  /** When it began to close. */
  closingSince: number | undefined;
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #onRefused: ((reason: Reason) => void) | undefined;
  #req: IncomingMessage | undefined;
  /** Until the context has been made. */
  #opening: Promise<Opened> | undefined;
  #ctx: CallContext | undefined;
  #controller: AbortController | undefined;
  /** While the client is asked whether it is there. */
  #progress: Progress | undefined;
  readonly #calls = new Calls(this);
  #broken = 0;

  constructor(options: {
    ws: WebSocket;
    socket: Socket;
    req: IncomingMessage;
    serving: Serving;
    wire: Wire;
    /** The first message carries the connection parameters; without it the context is made at once. */
    awaitsParams: boolean;
    onRefused?: ((reason: Reason) => void) | undefined;
  }) {
    this.serving = options.serving;
    this.wire = options.wire;
    this.#ws = options.ws;
    this.#socket = options.socket;
    this.#req = options.req;
    this.#onRefused = options.onRefused;
    this.outbox = new Outbox(options.ws, options.socket, this);
    if (!options.awaitsParams) this.#opening = this.#open(() => null);
  }

  get isOpen(): boolean {
    return this.#ws.readyState === this.#ws.OPEN;
  }

  /** What the session waits for before it can serve: parameters from the client, or its context. */
  get waitsFor(): 'params' | 'context' | undefined {
    if (!this.#req) return undefined;
    return this.#opening ? 'context' : 'params';
  }

  get context(): Promise<Opened> {
    if (this.#ctx) return Promise.resolve({ ok: true, ctx: this.#ctx });
    return this.#opening ?? Promise.resolve({ ok: false, error: toTRPCError(new ParleyError('UNAUTHENTICATED')) });
  }

  invalid(): ParleyError | undefined {
    return this.#ctx?.valid?.();
  }

  receive(data: Buffer, isBinary: boolean): void {
    if (!this.isOpen) return;
    this.heard = Math.trunc(performance.now());
    this.asked = undefined;
    this.#progress = undefined;
    if (!isBinary && data.length === 4) {
      const text = data.toString('latin1');
      if (text === 'PONG') return;
      if (text === 'PING') {
        this.outbox.send('PONG');
        return;
      }
    }
    if (!this.#ctx && !this.#opening) {
      this.#opening = this.#open(() => this.#readParams(data, isBinary));
      return;
    }
    const received = receive(this.wire, data, isBinary);
    for (const refused of received.refused) this.refuse(refused);
    if (received.isBroken) {
      if (++this.#broken >= mostBroken) this.close(1008, 'INVALID_MESSAGE');
      return;
    }
    this.#broken = 0;
    for (const { message, batchIndex } of received.messages) this.#calls.handle(message, batchIndex);
  }

  reply(call: Call, result: TRPCResultMessage<unknown>['result']): void {
    const { id, jsonrpc } = call;
    try {
      this.#respond({ id, ...(jsonrpc && { jsonrpc }), result });
    } catch (cause) {
      this.fail(call, cause);
    }
  }

  fail(call: Call, cause: unknown): void {
    const { id, jsonrpc, type, path, input } = call;
    const error = describeFailure(this.serving, cause, { type, path, input, ctx: this.#ctx });
    this.#respondError({ id, ...(jsonrpc && { jsonrpc }), error });
  }

  report(failure: Omit<CallFailure, 'ctx'>): void {
    reportFailure(this.serving, { ...failure, ctx: this.#ctx });
  }

  /** Sends an already encoded message that belongs to no call. */
  notify(message: string | Uint8Array): void {
    this.outbox.send(message);
  }

  /** Asks the client to say something. */
  ask(now: number): void {
    this.asked = now;
    this.notify('PING');
    this.#progress = new Progress(this.#socket);
    this.#progress.look();
  }

  /** Whether the client sends or takes something, though nothing whole has come of it yet: since this was asked last. */
  hasMoved(): boolean {
    return this.#progress?.look() ?? false;
  }

  /** An error that belongs to no call, and the end of the connection. */
  dismiss(reason: Reason): void {
    this.refuse({ id: null, error: new ParleyError(reason) });
    this.close();
  }

  /** Begins to close; a client that does not close too is cut off by the sweep. */
  close(code?: number, reason?: string): void {
    this.closingSince ??= performance.now();
    this.#ws.close(code, reason);
  }

  terminate(): void {
    this.#ws.terminate();
  }

  /** The connection is gone: ends everything that ran on it. */
  closed(): void {
    this.#req = undefined;
    this.#controller?.abort(stopped);
    this.#ctx?.listen?.(undefined);
    this.#calls.stop();
    this.outbox.release();
  }

  async #open(params: () => Record<string, string | undefined> | null): Promise<Opened> {
    const req = this.#req;
    const session = this;
    try {
      if (!req) throw new ParleyError('UNAVAILABLE');
      const ctx: CallContext = await this.serving.createContext({
        req,
        transport: 'websocket',
        connectionParams: params(),
        get signal() {
          session.#controller ??= new AbortController();
          return session.#controller.signal;
        },
      });
      this.#ctx = ctx;
      this.#opening = undefined;
      return { ok: true, ctx };
    } catch (cause) {
      const error = toTRPCError(cause);
      this.#respondError({ id: null, error: describeFailure(this.serving, error) });
      setImmediate(() => this.close());
      return { ok: false, error };
    } finally {
      this.#req = undefined;
    }
  }

  #readParams(data: Buffer, isBinary: boolean): Record<string, string | undefined> | null {
    if (data.length > limits.messageBytes) throw toTRPCError(new ParleyError('PAYLOAD_TOO_LARGE'));
    try {
      const message = this.wire.decode(data, isBinary);
      if (typeof message !== 'object' || message === null || Array.isArray(message))
        throw new TypeError('not an object');
      return parseConnectionParamsFromUnknown('data' in message ? message.data : undefined);
    } catch (cause) {
      throw new TRPCError({ code: 'PARSE_ERROR', message: 'Malformed connection parameters', cause });
    }
  }

  tooSlow(): void {
    if (!this.#calls.endSubscriptions(new ParleyError('SLOW_CONSUMER'))) this.#onRefused?.('SLOW_CONSUMER');
    this.close(1013, 'SLOW_CONSUMER');
  }

  refuse(refused: Refusal): void {
    const { id, jsonrpc, path, error } = refused;
    const code = 'PARSE_ERROR';
    const cause = error.reason === 'INVALID_MESSAGE' ? new TRPCError({ code, cause: error }) : toTRPCError(error);
    const described = describeFailure(this.serving, cause, { type: 'unknown', path, ctx: this.#ctx });
    this.#respondError({ id, ...(jsonrpc && { jsonrpc }), error: described });
  }

  #respond(message: TRPCResponseMessage): void {
    if (this.isOpen) this.outbox.send(this.wire.encode(message));
  }

  /** An error shape that cannot be encoded is replaced by one that can, so that the client still learns of its failure. */
  #respondError(message: TRPCResponseMessage & { error: unknown }): void {
    try {
      this.#respond(message);
    } catch (cause) {
      reportFailure(this.serving, { error: toTRPCError(cause), type: 'unknown', ctx: this.#ctx });
      this.#respond({ id: message.id, error: errorShapeFor('INTERNAL') });
    }
  }
}
