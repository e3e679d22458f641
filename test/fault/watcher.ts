import type { AppRouter } from '@parley/server/rpc/router';
import type { Event, Tracked } from '@parley/shared/event';
import { isTerminal } from '@parley/shared/terminal';
import { createTRPCClient, createWSClient, wsLink } from '@trpc/client';
import superjson from 'superjson';
import type { Log } from '../support/oracle.ts';
import type { Replica } from '../support/replica.ts';

export interface WatcherOptions {
  name: string;
  /** Where to connect, in this order; each connection goes to the first one that lives and has not just failed. */
  replicas: readonly Replica[];
  token: string;
  conversationId: string;
  /** Whose place it takes: it resumes after the last event that this one has seen by now. */
  after?: Log;
}

/**
 * One subscriber that never gives up: a stock client which connects to another replica when one is gone, and resumes. It stays
 * with one that is silent.
 */
export class Watcher implements Log {
  readonly name: string;
  readonly conversationId: string;
  /** With those of whose place it took. */
  readonly events: Tracked[];
  /** How often it was connected. */
  connections = 0;
  /** Why the server ended its subscription, each time that it did. */
  readonly endings: string[] = [];
  readonly #options: WatcherOptions;
  readonly #waiting = new Set<(tracked: Tracked) => void>();
  readonly #socket: ReturnType<typeof createWSClient>;
  readonly #client: ReturnType<typeof createTRPCClient<AppRouter>>;
  readonly #started = Promise.withResolvers<void>();
  #lastEventId: string | undefined;
  #subscription: { unsubscribe(): void } | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WatcherOptions) {
    this.#options = options;
    this.name = options.name;
    this.conversationId = options.conversationId;
    this.events = [...(options.after?.events ?? [])];
    this.#lastEventId = this.events.at(-1)?.id;
    this.#socket = createWSClient({
      url: () => this.#next().ws,
      connectionParams: { token: options.token },
      retryDelayMs: () => 50,
    });
    this.#client = createTRPCClient<AppRouter>({ links: [wsLink({ client: this.#socket, transformer: superjson })] });
    this.#subscribe();
  }

  /** The server has begun the subscription. */
  get started(): Promise<void> {
    return this.#started.promise;
  }

  /** The first event that fits, seen already or when it comes. */
  find(fits: (event: Event) => boolean): Promise<Tracked> {
    const seen = this.events.find(({ data }) => fits(data));
    if (seen) return Promise.resolve(seen);
    return new Promise((resolve) => {
      const look = (tracked: Tracked): void => {
        if (!fits(tracked.data)) return;
        this.#waiting.delete(look);
        resolve(tracked);
      };
      this.#waiting.add(look);
    });
  }

  /** The turn's end has been seen, or a gap after it whose snapshot has its answer. */
  async end(turnId: string): Promise<Event> {
    const told = (event: Event): boolean =>
      event.type === 'gap' &&
      event.snapshot.messages.some((message) => message.turnId === turnId && message.role === 'agent');
    return (await this.find((event) => (isTerminal(event) && event.turnId === turnId) || told(event))).data;
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#subscription?.unsubscribe();
    await this.#socket.close();
  }

  #next(): Replica {
    const { replicas } = this.#options;
    const living = replicas.filter((replica) => replica.alive());
    const next = living[this.connections++ % Math.max(living.length, 1)] ?? replicas[0];
    if (!next) throw new Error('no replica to connect to');
    return next;
  }

  #subscribe(): void {
    const { conversationId } = this;
    const input = { conversationId, ...(this.#lastEventId !== undefined && { lastEventId: this.#lastEventId }) };
    const again = (why: string): void => {
      this.endings.push(why);
      this.#timer = setTimeout(() => this.#subscribe(), 50);
    };
    this.#subscription = this.#client.conversations.events.subscribe(input, {
      onStarted: () => this.#started.resolve(),
      onData: (tracked) => {
        this.#lastEventId = tracked.id;
        this.events.push(tracked);
        for (const look of [...this.#waiting]) look(tracked);
      },
      onError: (error) => again(error.data?.reason ?? error.message),
      onComplete: () => again('complete'),
    });
  }
}
