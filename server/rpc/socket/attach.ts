import type { IncomingMessage, Server } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { limits } from '@parley/shared/limits';
import { ParleyError, type Reason } from '@parley/shared/reason';
import type { AnyTRPCRouter } from '@trpc/server';
import { type WebSocket, WebSocketServer } from 'ws';
import { errorShapeFor } from '../failure.ts';
import type { Serving } from '../transport.ts';
import { Session } from './session.ts';
import { defaultWaits, Sweep, type Waits } from './sweep.ts';
import { type Wire, wires } from './wire.ts';

/** Frame headers and the rest of a message around the largest recording. A frame beyond is cut off while it is read. */
const slack = 64 * 1024;

export interface SocketMetrics {
  opened?(): void;
  closed?(code: number): void;
  /** A connection that is refused or closed without an answer on it, of which `onError` is not told therefore. */
  refused?(reason: Reason): void;
}

export interface SocketOptions<Router extends AnyTRPCRouter> extends Serving<Router> {
  /** Serves `/trpc` and `/trpc/binary` of it; any other upgrade is answered with 404. */
  server: Server;
  /** Whether a browser page of this origin may connect. Asked only when there is an Origin header. */
  allowOrigin(origin: string, req: IncomingMessage): boolean;
  /** A reason not to take a connection now: too many come from one address. */
  admit?: ((req: IncomingMessage) => ParleyError | undefined) | undefined;
  waits?: Partial<Waits> | undefined;
  metrics?: SocketMetrics | undefined;
  /** Closes everything when aborted. */
  signal?: AbortSignal | undefined;
}

export interface Sockets {
  /** Connections that are open now. */
  readonly size: number;
  /** Tells every client to connect again, to wherever it is then sent. */
  broadcastReconnect(): void;
  /** Takes no more connections, closes those there are, and resolves when they are gone: within `closeMs`. */
  close(): Promise<void>;
}

/** Serves a router on the WebSockets of an HTTP server, in tRPC's own wire. */
export function attachSockets<Router extends AnyTRPCRouter>(options: SocketOptions<Router>): Sockets {
  const { server, metrics } = options;
  const serving: Serving = {
    router: options.router,
    createContext: options.createContext,
    onError: options.onError,
  };
  const sweep = new Sweep({ ...defaultWaits, ...options.waits });
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: limits.audioMessageBytes + slack,
  });
  let onEmpty: (() => void) | undefined;
  const onRefused = (reason: Reason): void => metrics?.refused?.(reason);

  // Apart from `accept`, so that a listener that lives as long as its socket does not keep the upgrade request alive.
  const listen = (ws: WebSocket, session: Session): void => {
    sweep.add(session);
    metrics?.opened?.();
    ws.on('message', (data, isBinary) => {
      if (Buffer.isBuffer(data)) session.receive(data, isBinary);
    });
    // `ws` closes with the fitting code; without a listener the error would end the process.
    ws.on('error', ignore);
    ws.on('close', (code) => {
      session.closed();
      sweep.delete(session);
      metrics?.closed?.(code);
      if (sweep.sessions.size === 0) onEmpty?.();
    });
  };

  const accept = (req: IncomingMessage, socket: Socket, head: Buffer, wire: Wire, awaitsParams: boolean): void => {
    socket.off('error', ignore);
    sockets.handleUpgrade(req, socket, head, (ws) => {
      listen(ws, new Session({ ws, socket, req, serving, wire, awaitsParams, onRefused }));
    });
  };

  const refusal = (req: IncomingMessage, isKnown: boolean): ParleyError | undefined => {
    const { origin } = req.headers;
    if (!isKnown) return new ParleyError('NOT_FOUND');
    if (origin !== undefined && !options.allowOrigin(origin, req)) return new ParleyError('FORBIDDEN');
    return onEmpty ? new ParleyError('DRAINING') : options.admit?.(req);
  };

  const onUpgrade = (req: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', ignore);
    const url = URL.parse(req.url ?? '/', 'http://localhost');
    const wire = wires.get(url?.pathname ?? '');
    const error = refusal(req, wire !== undefined);
    if (wire && !error && socket instanceof Socket) {
      accept(req, socket, head, wire, url?.searchParams.get('connectionParams') === '1');
      return;
    }
    onRefused(error?.reason ?? 'INTERNAL');
    refuseUpgrade(socket, error ?? new ParleyError('INTERNAL'));
  };
  server.on('upgrade', onUpgrade);

  const close = async (): Promise<void> => {
    const empty = Promise.withResolvers<void>();
    onEmpty = empty.resolve;
    options.signal?.removeEventListener('abort', onAbort);
    for (const session of sweep.sessions) session.close(1001);
    if (sweep.sessions.size > 0) await empty.promise;
    server.off('upgrade', onUpgrade);
  };
  const onAbort = (): void => void close();
  options.signal?.addEventListener('abort', onAbort, { once: true });

  return {
    get size() {
      return sweep.sessions.size;
    },
    broadcastReconnect() {
      for (const session of sweep.sessions) session.notify(reconnect);
    },
    close,
  };
}

const reconnect = JSON.stringify({ id: null, method: 'reconnect' });

function ignore(): void {}

function refuseUpgrade(socket: Duplex, { reason, details }: ParleyError): void {
  const shape = errorShapeFor(reason, { details });
  const body = JSON.stringify({ error: { json: shape } });
  const retryAfterMs = details?.retryAfterMs;
  const lines = [
    `HTTP/1.1 ${shape.data.httpStatus} ${shape.data.code}`,
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(typeof retryAfterMs === 'number' ? [`Retry-After: ${Math.ceil(retryAfterMs / 1000)}`] : []),
  ];
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}
