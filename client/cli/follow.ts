import type { Event, Tracked } from '@parley/shared/event';
import type { Parley } from '../connect.ts';
import type { ParleyFailure } from '../failure.ts';

export interface Following {
  /** Resolves when it is certain where it begins: what happens from then on is not missed. */
  readonly started: Promise<void>;
  /** Resolves when nothing follows any more: with the failure that ended it, if one did. Not after `stop`. */
  readonly ended: Promise<ParleyFailure | undefined>;
  stop(): void;
}

/**
 * Follows a conversation over lost connections, each event once: from `lastEventId`, else from the running turn's first
 * event, else from now on. Nothing waits: `onEvent` is called as events come.
 */
export function follow(
  parley: Parley,
  conversationId: string,
  onEvent: (tracked: Tracked) => void,
  lastEventId?: string,
): Following {
  const ended = Promise.withResolvers<ParleyFailure | undefined>();
  let failure: ParleyFailure | undefined;
  const listening = parley.conversation(conversationId).listen(
    {
      event: onEvent,
      end(why) {
        failure = why;
        ended.resolve(why);
      },
    },
    lastEventId,
  );
  const started = listening.ready.then(() => {
    if (failure) throw failure;
  });
  // Whoever does not wait for the beginning learns of a failure by the end.
  started.catch(() => {});
  return { started, ended: ended.promise, stop: () => listening.leave() };
}

/** Which turn an event belongs to, if any. */
export function turnOf(event: Event): string | undefined {
  return 'turnId' in event ? event.turnId : undefined;
}
