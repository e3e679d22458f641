import { type Observer, observable } from './observable.ts';
import { type Link, type Operation, type Result, resultOf, type Transformer } from './operation.ts';
import { isRecord } from './record.ts';
import { TRPCClientError } from './trpc-error.ts';

type CallObserver = Observer<{ result: Result }, TRPCClientError>;

interface Call {
  readonly observer: CallObserver;
  readonly transformer: Transformer;
  readonly method: Operation['type'];
  readonly params: { readonly path: string; readonly input: unknown; lastEventId?: string };
  id: number;
  /** What it was sent on; undefined while it waits for a connection. */
  ws: WebSocket | undefined;
}

interface State {
  state: 'idle' | 'connecting' | 'pending';
  error: TRPCClientError | null;
}

export interface WSClientOptions {
  url: string;
  connectionParams: () => Promise<Record<string, string>>;
  retryDelayMs: (attempt: number) => number;
  experimental_encoder: {
    encode(message: unknown): string | Uint8Array<ArrayBuffer>;
    decode(data: string | ArrayBuffer): unknown;
  };
  WebSocket?: typeof WebSocket;
}

/**
 * tRPC's calls over one WebSocket at a time (tRPC 11, `WS` protocol). It connects again by itself; a call that was sent when
 * the connection broke fails, a subscription is made again from the last event that it brought.
 *
 * Transpiled for a phone, a `#` member costs some ninety bytes and a `private` one none: the bundle is to stay small.
 */
export class WSClient {
  private readonly options: WSClientOptions;
  private readonly calls = new Map<number, Call>();
  private readonly listeners = new Set<(state: State) => void>();
  private state: State = { state: 'connecting', error: null };
  /** The newest connection, and the one that is used: the one before it, until the newest has been introduced. */
  private ws: WebSocket | undefined;
  private ready: WebSocket | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private attempt = 0;
  private lastId = 0;
  private isClosed = false;

  constructor(options: WSClientOptions) {
    this.options = options;
    this.open();
  }

  get connection(): { state: 'open' | 'connecting' | 'closed'; ws: WebSocket } | null {
    const ws = this.ready ?? this.ws;
    if (!ws) return null;
    if (ws === this.ready) return { state: 'open', ws };
    return { state: ws.readyState <= ws.OPEN ? 'connecting' : 'closed', ws };
  }

  readonly connectionState = {
    subscribe: ({ next }: { next(state: State): void }) => {
      this.listeners.add(next);
      next(this.state);
      return { unsubscribe: () => void this.listeners.delete(next) };
    },
  };

  /** Returns what leaves the call. */
  request({ type, path, input, signal }: Operation, transformer: Transformer, observer: CallObserver): () => void {
    const params = { path, input: transformer.serialize(input) };
    const call: Call = { observer, transformer, method: type, params, id: ++this.lastId, ws: undefined };
    const onAbort = (): void => observer.complete();
    if (this.isClosed) observer.error(new TRPCClientError('The connection was closed.'));
    else if (signal?.aborted) onAbort();
    else {
      signal?.addEventListener('abort', onAbort);
      this.calls.set(call.id, call);
      this.send();
    }
    return () => {
      signal?.removeEventListener('abort', onAbort);
      if (!this.calls.delete(call.id)) return;
      this.stop(call);
      this.tidy(call.ws);
    };
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    clearTimeout(this.timer);
    const sockets = new Set([this.ws, this.ready, ...[...this.calls.values()].map(({ ws }) => ws)]);
    const calls = [...this.calls.values()];
    this.calls.clear();
    this.ws = undefined;
    this.ready = undefined;
    for (const { observer, method } of calls)
      if (method === 'subscription') observer.complete();
      else observer.error(new TRPCClientError('The connection was closed.'));
    for (const ws of sockets) ws?.close();
    this.become({ state: 'idle', error: null });
  }

  private open(): void {
    const { url, WebSocket: Given = WebSocket } = this.options;
    const ws = new Given(`${url}?connectionParams=1`);
    ws.binaryType = 'arraybuffer';
    this.ws = ws;
    ws.addEventListener('open', () => void this.introduce(ws));
    ws.addEventListener('message', ({ data }) => this.take(ws, data));
    ws.addEventListener('error', () => this.lost(ws));
    ws.addEventListener('close', () => this.lost(ws));
  }

  private async introduce(ws: WebSocket): Promise<void> {
    const { connectionParams, experimental_encoder } = this.options;
    try {
      const data = await connectionParams();
      if (ws !== this.ws || ws.readyState !== ws.OPEN) return;
      ws.send(experimental_encoder.encode({ method: 'connectionParams', data }));
    } catch {
      ws.close();
      this.lost(ws);
      return;
    }
    const old = this.ready;
    this.ready = ws;
    this.become({ state: 'pending', error: null });
    this.send();
    this.tidy(old);
  }

  /** Sends what waits; subscriptions that are on another connection move here. */
  private send(): void {
    const ws = this.ready;
    if (!ws) return;
    for (const call of [...this.calls.values()]) {
      if (call.ws === ws || (call.ws && call.method !== 'subscription')) continue;
      this.stop(call);
      this.calls.delete(call.id);
      // Under another id, so that what the other connection still brings of it is not taken for its own.
      call.id = ++this.lastId;
      call.ws = ws;
      this.calls.set(call.id, call);
      const { id, method, params } = call;
      ws.send(this.options.experimental_encoder.encode({ id, method, params }));
    }
  }

  private stop({ method, id, ws }: Call): void {
    if (method === 'subscription' && ws && ws.readyState === ws.OPEN)
      ws.send(this.options.experimental_encoder.encode({ id, method: 'subscription.stop' }));
  }

  private take(ws: WebSocket, data: string | ArrayBuffer): void {
    if (data === 'PING') ws.send('PONG');
    if (data === 'PING' || data === 'PONG' || this.isClosed) return;
    const message = this.options.experimental_encoder.decode(data);
    if (!isRecord(message)) return;
    if (message.method === 'reconnect') {
      if (ws === this.ready && ws === this.ws) this.open();
      return;
    }
    const call = typeof message.id === 'number' ? this.calls.get(message.id) : undefined;
    if (!call || call.ws !== ws) return;
    // Not what the old connection still brings while a new one is refused.
    if ('result' in message && ws === this.ws) this.attempt = 0;
    const result = resultOf(message, call.transformer);
    if (!(result instanceof TRPCClientError) && call.method === 'subscription' && result.type !== 'stopped') {
      if (result.type === 'data' && result.id !== undefined) call.params.lastEventId = result.id;
      call.observer.next({ result });
      return;
    }
    this.calls.delete(call.id);
    if (result instanceof TRPCClientError) call.observer.error(result);
    else {
      call.observer.next({ result });
      call.observer.complete();
    }
    this.tidy(ws);
  }

  private lost(ws: WebSocket): void {
    if (this.isClosed) return;
    const isCurrent = ws === this.ws;
    const wasReady = ws === this.ready;
    if (isCurrent) this.ws = undefined;
    if (wasReady) this.ready = undefined;
    const error = new TRPCClientError('The connection was lost.');
    for (const call of [...this.calls.values()]) {
      if (call.ws !== ws) continue;
      call.ws = undefined;
      if (call.method === 'subscription') continue;
      this.calls.delete(call.id);
      call.observer.error(error);
    }
    if (!this.ready && (isCurrent || wasReady)) this.become({ state: 'connecting', error });
    if (!isCurrent) {
      this.send();
      return;
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), this.options.retryDelayMs(this.attempt++));
  }

  /** A connection that was replaced is closed with the last call on it. */
  private tidy(ws: WebSocket | undefined): void {
    if (!ws || ws === this.ready || ws === this.ws) return;
    if (![...this.calls.values()].some((call) => call.ws === ws)) ws.close();
  }

  private become(state: State): void {
    this.state = state;
    for (const listener of [...this.listeners]) listener(state);
  }
}

export function createWSClient(options: WSClientOptions): WSClient {
  return new WSClient(options);
}

export function wsLink({ client, transformer }: { client: WSClient; transformer: Transformer }): Link {
  return () =>
    ({ op }) =>
      observable((observer) => client.request(op, transformer, observer));
}
