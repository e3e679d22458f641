import type { Event, Tracked } from '@parley/shared/event';
import { observable } from '@trpc/server/observable';
import type { Parley } from '../connect.ts';
import type { ParleyFailure } from '../failure.ts';
import { Follow } from '../follow.ts';
import { Line } from '../line.ts';
import type { Connection } from '../link.ts';

export interface Following {
  /** Resolves when the server has begun to deliver: what happens from then on is not missed. */
  readonly started: Promise<void>;
  /** Resolves when nothing follows any more: with the failure that ended it, if one did. Not after `stop`. */
  readonly ended: Promise<ParleyFailure | undefined>;
  /** The last event that was delivered. */
  readonly lastEventId: string | undefined;
  stop(): void;
}

/** The client has one of its own, which it keeps to itself; of it only the calls are needed here. */
const standing: Connection = {
  link: () => () => observable(() => {}),
  generation: 0,
  renew() {},
  async close() {},
};

/**
 * Follows a conversation as the client does, over lost connections and each event once, and tells when it has begun. Nothing
 * waits: `onEvent` is called as events come. Stop it before the client is closed.
 */
export function follow(
  parley: Parley,
  conversationId: string,
  onEvent: (tracked: Tracked) => void,
  lastEventId?: string,
): Following {
  const started = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<ParleyFailure | undefined>();
  const following = new Follow(new Line(parley.trpc, standing, false), conversationId, lastEventId, {
    event: onEvent,
    started: () => started.resolve(),
    end(failure) {
      if (failure) started.reject(failure);
      else started.resolve();
      ended.resolve(failure);
    },
  });
  // Whoever does not wait for the beginning learns of a failure by the end.
  started.promise.catch(() => {});
  return {
    started: started.promise,
    ended: ended.promise,
    get lastEventId() {
      return following.lastEventId;
    },
    stop: () => following.stop(),
  };
}

/** Which turn an event belongs to, if any. */
export function turnOf(event: Event): string | undefined {
  return 'turnId' in event ? event.turnId : undefined;
}
