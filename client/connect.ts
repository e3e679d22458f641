import type { AppRouter } from '@parley/server/rpc/router';
import type { Conversation as ConversationData } from '@parley/shared/conversation';
import { newId } from '@parley/shared/id';
import type { Page } from '@parley/shared/page';
import type { inferRouterInputs } from '@trpc/server';
import { createTRPCClient, type TRPCClient } from '#trpc';
import { Credential, type TokenSource } from './connection/credential.ts';
import { httpConnection } from './connection/http.ts';
import { Line } from './connection/line.ts';
import type { Connection, ConnectionOptions, ConnectionState, Transport } from './connection/link.ts';
import { socketConnection } from './connection/socket.ts';
import { Conversation } from './conversation/conversation.ts';
import { Feeds } from './conversation/feed.ts';
import { Cell, type Live } from './conversation/live.ts';
import { SegmentQueue } from './recorder/queue.ts';
import { voiceCalls } from './recorder/send.ts';
import type { SegmentStore } from './recorder/store.ts';

type Inputs = inferRouterInputs<AppRouter>['conversations'];

export interface ParleyOptions {
  /** Where the server is: `http://127.0.0.1:4000`. */
  url: string;
  /** An access token or an API key; a function is asked for a fresh one at each connection. */
  token: TokenSource;
  /** `binary` by default. */
  transport?: Transport;
  /** The user for whom an API key acts. */
  user?: string;
  /** Told whenever the way to the server changes. */
  onState?: (state: ConnectionState) => void;
  /** Milliseconds of silence after which a WebSocket is asked whether it lives; 15 s by default. */
  heartbeatMs?: number;
  /** Where recordings are kept until the server has them, so that they outlive the app; in memory by default. */
  segments?: SegmentStore;
  /** For runtimes that lack them, or have better ones. */
  fetch?: typeof fetch;
  WebSocket?: typeof WebSocket;
  EventSource?: typeof EventSource;
}

export interface Parley {
  /** Every procedure, typed, as it is: without retries. */
  readonly trpc: TRPCClient<AppRouter>;
  /** What the way to the server is doing. */
  readonly connection: Live<ConnectionState>;
  /** Recordings on their way to the server. `resume` takes up what an app that ended before had not sent. */
  readonly segments: SegmentQueue;
  conversation(id: string): Conversation;
  readonly conversations: {
    /** A new conversation; with an `id` that was used before, the same one. */
    create(input?: Inputs['create']): Promise<Conversation>;
    /** The user's conversation about something in the host application. */
    forContext(input: Inputs['forContext']): Promise<Conversation>;
    /** One page of them, newest activity first. */
    list(input?: Inputs['list'], options?: { signal?: AbortSignal }): Promise<Page<ConversationData>>;
  };
  /**
   * The app is in the foreground again, or the network is another: whether the connection lives is found out within seconds,
   * and what waits to be tried again is tried at once.
   */
  wake(): void;
  /** Ends what is being followed or waited for, and the connection. Turns go on. */
  close(): Promise<void>;
}

/** A client of a Parley server. Connects when it is first used. */
export function createParley(options: ParleyOptions): Parley {
  const credential = new Credential(options.token, options.user);
  const states = new Cell<ConnectionState>({ state: 'idle' });
  const connection = connect(options.transport ?? 'binary', {
    url: options.url.replace(/\/+$/, ''),
    credential,
    onState(state) {
      const before = states.get();
      if (state.state !== before.state || state.error !== before.error) states.set(state);
      options.onState?.(state);
      // What waits to be tried again need not wait any longer.
      if (state.state === 'open' && before.state !== 'open') segments.wake();
    },
    heartbeatMs: options.heartbeatMs ?? 15_000,
    fetch: options.fetch,
    WebSocket: options.WebSocket,
    EventSource: options.EventSource,
  });
  const trpc = createTRPCClient<AppRouter>({ links: [connection.link] });
  const line = new Line(trpc, connection, credential.isRenewable);
  const feeds = new Feeds(line);
  const segments = new SegmentQueue({
    voice: voiceCalls({ trpc }),
    ...(options.segments && { store: options.segments }),
  });
  const conversation = (id: string): Conversation => new Conversation(id, line, feeds, segments);
  return {
    trpc,
    connection: states,
    segments,
    conversation,
    conversations: {
      async create(input) {
        // Named here, so that it is made once however often the call is.
        const named = { ...input, id: input?.id ?? newId() };
        const { id } = await line.persist((signal) => trpc.conversations.create.mutate(named, { signal }));
        return conversation(id);
      },
      async forContext(input) {
        const { id } = await line.persist((signal) => trpc.conversations.forContext.mutate(input, { signal }));
        return conversation(id);
      },
      list: (input, options) =>
        line.persist((signal) => trpc.conversations.list.query(input, { signal }), options?.signal),
    },
    wake() {
      connection.wake?.();
      segments.wake();
    },
    async close() {
      await Promise.all([segments.close(), line.close()]);
    },
  };
}

function connect(transport: Transport, options: ConnectionOptions): Connection {
  return transport === 'http' ? httpConnection(options) : socketConnection(options, transport === 'binary');
}
