import type { AppRouter } from '@parley/server/rpc/router';
import type { SentTurn } from '@parley/shared/turn';
import type { inferRouterInputs } from '@trpc/server';
import { pause } from '../connection/backoff.ts';
import type { Feed } from './feed.ts';
import { Turn, type TurnOptions } from './turn.ts';

/** How long a send waits until whatever comes of it will be seen, in milliseconds. */
const readyMs = 5_000;

export type SendInput = inferRouterInputs<AppRouter>['turns']['send'];

/** A turn that this client sends. Its id is known from the start, so that a send whose answer was lost is made again. */
export class Sending extends Turn {
  /** When the server has stored it, before the agent answers. @throws ParleyFailure when it was not taken */
  readonly accepted: Promise<SentTurn>;

  /** @param refollow A feed that begins with the running turn's first event. */
  constructor(options: TurnOptions, input: SendInput, refollow: () => Feed) {
    super(options);
    this.accepted = this.#send(options, input, refollow);
    this.accepted.catch((error: unknown) => this.fail(error));
  }

  override async interrupt(...heard: Parameters<Turn['interrupt']>): Promise<boolean> {
    try {
      await this.accepted;
    } catch {
      return false;
    }
    return await super.interrupt(...heard);
  }

  async #send({ feed, signal }: TurnOptions, input: SendInput, refollow: () => Feed): Promise<SentTurn> {
    await Promise.race([feed.ready, pause(readyMs, this.over)]);
    // A conversation that cannot be followed, or a client that was closed.
    if (this.over.aborted) await this.done;
    const sent = await this.line.persist(
      (aborted) => this.line.trpc.turns.send.mutate(input, { signal: aborted }),
      signal,
    );
    // The turn is older than the feed: its beginning is behind it.
    const isOld = sent.duplicate && !this.reader.hasStarted;
    if (isOld) this.switchTo(refollow());
    this.expect(isOld);
    return sent;
  }
}
