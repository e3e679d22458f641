import type { AppRouter } from '@parley/server/rpc/router';
import type { TRPCLink } from '#trpc';
import type { ParleyFailure } from '../failure.ts';
import type { Credential } from './credential.ts';

/** `binary`: WebSocket with bytes as bytes; `websocket`: WebSocket with JSON; `http`: HTTP, with server-sent events. */
export type Transport = 'binary' | 'websocket' | 'http';

/** What the way to the server is doing. `error` says why it is connecting again. */
export interface ConnectionState {
  state: 'idle' | 'connecting' | 'open';
  error?: ParleyFailure;
}

/** A way to the server: carries calls, and can be opened anew with a fresh credential. */
export interface Connection {
  readonly link: TRPCLink<AppRouter>;
  /** Counts the connections that have been given up. */
  readonly generation: number;
  /**
   * Calls from now on go over a new connection with a fresh token; those under way keep theirs. Does nothing when
   * `generation` has been given up already.
   */
  renew(generation: number): void;
  /** Finds out within seconds whether the connection lives; absent where each call has one of its own. */
  wake?(): void;
  close(): Promise<void>;
}

export interface ConnectionOptions {
  /** Where the server is, without a path: `https://parley.example`. */
  url: string;
  credential: Credential;
  onState: (state: ConnectionState) => void;
  /**
   * Milliseconds of silence after which a WebSocket is asked whether it lives. Half of that later it is taken for dead, not
   * counting what it takes to send what is on its way.
   */
  heartbeatMs: number;
  fetch?: typeof fetch | undefined;
  WebSocket?: typeof WebSocket | undefined;
  EventSource?: typeof EventSource | undefined;
}
