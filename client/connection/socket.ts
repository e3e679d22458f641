import type { AppRouter } from '@parley/server/rpc/router';
import { decodeFrame, encodeFrame, frameTransformer } from '@parley/shared/frame';
import { clientTransformer } from '@parley/shared/wire';
import { type Observable, type Observer, observable } from '#observable';
import { createWSClient, TRPCClientError, type TRPCLink, wsLink } from '#trpc';
import { failureOf, isLost, isRecord, type ParleyFailure } from '../failure.ts';
import { backoff } from './backoff.ts';
import { framesOf } from './frames.ts';
import type { Connection, ConnectionOptions, ConnectionState } from './link.ts';
import { Watch } from './watch.ts';

/** A connection without a call is closed after this many milliseconds. */
const idleMs = 10_000;

interface Socket {
  readonly link: TRPCLink<AppRouter>;
  /** Ends each call under way with this error. */
  readonly calls: Set<(error: TRPCClientError<AppRouter>) => void>;
  /** Nothing new goes over it: it closes with its last call. */
  retire(): void;
  settle(): void;
  wake(): void;
  close(): Promise<void>;
}

/**
 * A WebSocket at a time, opened with the first call. Within one, `wsLink` reconnects and resumes subscriptions; a new one
 * takes over when the credential must be another, and when the old one is dead without having said so.
 */
export function socketConnection(options: ConnectionOptions, isBinary: boolean): Connection {
  let current: Socket | undefined;
  let generation = 0;
  /** Why there is no connection, from one that is given up to the one that is made anew. */
  let lost: ParleyFailure | undefined;
  const onState = ({ state, error }: ConnectionState): void => {
    lost = state === 'connecting' ? (error ?? lost) : undefined;
    options.onState({ state, ...(lost && { error: lost }) });
  };
  const giveUp = (): void => {
    current = undefined;
    generation++;
  };
  const open = (): Socket => {
    const began = generation;
    // One that is no longer used does not speak for the one that is.
    const tell = (state: ConnectionState): void => {
      if (began === generation) onState(state);
    };
    const socket = openSocket({ ...options, onState: tell }, isBinary, (error) => {
      if (current === socket) {
        giveUp();
        const failure = failureOf(error);
        // Nobody looks for what nobody needs.
        if (socket.calls.size === 0) onState({ state: 'idle' });
        else if (isLost(failure)) onState({ state: 'connecting', error: failure });
      }
      for (const fail of [...socket.calls]) fail(error);
      void socket.close();
    });
    return socket;
  };

  const renew = (stale: number): void => {
    if (stale !== generation) return;
    const old = current;
    giveUp();
    old?.retire();
  };

  const link: TRPCLink<AppRouter> = (runtime) => (call) =>
    observable((observer) => {
      // A call that was refused for its credential has done nothing, and can be made again with a fresh one.
      let mayRenew = options.credential.isRenewable && call.op.type !== 'subscription';
      let stop = (): void => {};
      const start = (): void => {
        current ??= open();
        const began = generation;
        stop = carry(current, current.link(runtime)(call), {
          next: (value) => observer.next(value),
          complete: () => observer.complete(),
          error(error) {
            if (!mayRenew || failureOf(error).reason !== 'UNAUTHENTICATED') {
              observer.error(error);
              return;
            }
            mayRenew = false;
            renew(began);
            const timer = setTimeout(start);
            stop = () => clearTimeout(timer);
          },
        });
      };
      start();
      return () => stop();
    });

  return {
    link,
    get generation() {
      return generation;
    },
    renew,
    wake: () => current?.wake(),
    async close() {
      const last = current;
      giveUp();
      await last?.close();
      onState({ state: 'idle' });
    },
  };
}

/** Runs a call over a socket, until it has ended or the socket is given up. Returns what stops it. */
function carry<Value>(
  socket: Socket,
  call: Observable<Value, TRPCClientError<AppRouter>>,
  observer: Observer<Value, TRPCClientError<AppRouter>>,
): () => void {
  const over = (): void => {
    socket.calls.delete(fail);
    socket.settle();
  };
  const fail = (error: TRPCClientError<AppRouter>): void => {
    over();
    observer.error(error);
  };
  socket.calls.add(fail);
  const subscription = call.subscribe({
    next: observer.next,
    error: (error) => fail(TRPCClientError.from(error)),
    complete() {
      over();
      observer.complete();
    },
  });
  return () => {
    subscription.unsubscribe();
    over();
  };
}

function openSocket(
  options: ConnectionOptions,
  isBinary: boolean,
  abandon: (error: TRPCClientError<AppRouter>) => void,
): Socket {
  const { url, credential, onState, heartbeatMs } = options;
  const transformer = isBinary ? frameTransformer : clientTransformer;
  const watch = new Watch(heartbeatMs, (why) => abandon(new TRPCClientError(why)));

  // Reads what no call could be told of. Whatever is thrown in here would end the process, not the connection.
  const decode = (data: string | ArrayBuffer | Uint8Array): unknown => {
    try {
      const message = decodeFrame(data instanceof ArrayBuffer ? new Uint8Array(data) : data);
      if (!isRecord(message)) throw new TypeError('not a message');
      const refusal = message.id === null && 'error' in message ? refusalOf(message.error, transformer) : undefined;
      if (refusal) setTimeout(() => abandon(refusal));
      return message;
    } catch (cause) {
      // An event may have been in it: only a new connection, resumed from the last good one, is whole again.
      setTimeout(() => abandon(TRPCClientError.from(cause instanceof Error ? cause : new Error('unreadable message'))));
      return { id: null };
    }
  };

  // All that waited for the connection comes as one list, and goes as frames that a server takes: the last by the client itself.
  const encode = (message: unknown): string | Uint8Array<ArrayBuffer> => {
    const frames = Array.isArray(message) ? framesOf(message) : [encodeFrame(message)];
    for (const frame of frames) watch.sent(frame.length);
    for (const frame of frames.slice(0, -1)) client.connection?.ws.send(frame);
    return frames.at(-1) ?? '[]';
  };

  const client = createWSClient({
    url: `${url.replace(/^http/, 'ws')}/trpc${isBinary ? '/binary' : ''}`,
    connectionParams: () => credential.connectionParams(),
    retryDelayMs: (attempt) => backoff(attempt),
    experimental_encoder: { encode, decode },
    ...(options.WebSocket && { WebSocket: options.WebSocket }),
  });
  watch.start(() => client.connection);
  const states = client.connectionState.subscribe({
    next({ state, error }) {
      if (state === 'idle') return;
      onState({ state: state === 'pending' ? 'open' : state, ...(error && { error: failureOf(error) }) });
    },
  });

  const calls: Socket['calls'] = new Set();
  let isRetired = false;
  let isClosed = false;
  let idle: ReturnType<typeof setTimeout> | undefined;
  const close = async (): Promise<void> => {
    if (isClosed) return;
    isClosed = true;
    clearTimeout(idle);
    watch.stop();
    states.unsubscribe();
    await client.close();
  };
  const settle = (): void => {
    clearTimeout(idle);
    if (calls.size > 0 || isClosed) return;
    if (isRetired) void close();
    else idle = setTimeout(() => abandon(new TRPCClientError('idle')), idleMs);
  };
  return {
    link: wsLink<AppRouter>({ client, transformer }),
    calls,
    retire() {
      isRetired = true;
      settle();
    },
    settle,
    wake: () => watch.probe(client.connection),
    close,
  };
}

/** Why the server will not have this connection, when trying again cannot help; undefined for what may pass. */
function refusalOf(
  error: unknown,
  transformer: typeof frameTransformer | typeof clientTransformer,
): TRPCClientError<AppRouter> | undefined {
  if (!isRecord(error) || !('json' in error)) return undefined;
  const shape = transformer.deserialize({ json: null, ...error });
  if (!isRecord(shape)) return undefined;
  const refusal = TRPCClientError.from<AppRouter>({ error: shape });
  const { reason, retryable } = failureOf(refusal);
  return retryable || reason === 'INVALID_MESSAGE' ? undefined : refusal;
}
