import type { Event, EventOf, EventType, Tracked } from '@parley/shared/event';
import { isTerminal } from '@parley/shared/terminal';
import { describe, type Failure, type SocketClient } from './stock.ts';

/** A subscription and all that came of it. */
export interface Watch {
  readonly seen: readonly Tracked[];
  readonly types: readonly EventType[];
  /** The server has begun it. */
  readonly started: Promise<void>;
  /** How it ended: with the server's error, or undefined for a good end. */
  readonly ended: Promise<Failure | undefined>;
  /** The first event that fits, seen already or when it comes. */
  find(fits: (event: Event) => boolean): Promise<Tracked>;
  /** The first event of a type, of any turn or of this one. */
  first<Type extends EventType>(type: Type, turnId?: string): Promise<EventOf<Type>>;
  /** The end of a turn. */
  end(turnId: string): Promise<Event>;
  /** Events of a type so far. */
  all<Type extends EventType>(type: Type, turnId?: string): EventOf<Type>[];
  stop(): void;
}

/** Subscribes to a conversation's events through a stock client. `find` and its like wait as long as the test does. */
export function watch(client: SocketClient, input: { conversationId: string; lastEventId?: string }): Watch {
  const seen: Tracked[] = [];
  const waiting = new Set<() => void>();
  const started = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<Failure | undefined>();
  const subscription = client.conversations.events.subscribe(input, {
    onStarted: () => started.resolve(),
    onData: (tracked) => {
      seen.push(tracked);
      for (const look of [...waiting]) look();
    },
    onError: (error) => ended.resolve(describe(error)),
    onComplete: () => ended.resolve(undefined),
  });

  const find = (fits: (event: Event) => boolean): Promise<Tracked> =>
    new Promise((resolve) => {
      const look = (): void => {
        const found = seen.find(({ data }) => fits(data));
        if (!found) return;
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
    });
  const is =
    <Type extends EventType>(type: Type, turnId?: string) =>
    (event: Event): event is EventOf<Type> =>
      event.type === type && (turnId === undefined || ('turnId' in event && event.turnId === turnId));
  return {
    seen,
    get types() {
      return seen.map(({ data }) => data.type);
    },
    started: started.promise,
    ended: ended.promise,
    find,
    async first(type, turnId) {
      const fits = is(type, turnId);
      const { data } = await find(fits);
      if (!fits(data)) throw new Error('another event was found');
      return data;
    },
    async end(turnId) {
      return (await find((event) => isTerminal(event) && event.turnId === turnId)).data;
    },
    all: (type, turnId) => seen.map(({ data }) => data).filter(is(type, turnId)),
    stop: () => subscription.unsubscribe(),
  };
}
