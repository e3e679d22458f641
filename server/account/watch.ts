import type { Db } from '@parley/db/connect';
import { findInvalid } from '@parley/db/repository/credential';
import { ParleyError } from '@parley/shared/reason';

/** Whom a watch is about. `expiresAt` is in milliseconds since the epoch. */
export interface Watched {
  tenant: string;
  userId: string;
  keyId?: string | undefined;
  expiresAt?: number | undefined;
}

export interface WatchTiming {
  /** Milliseconds between two looks at the database. */
  sweepMs: number;
  /** How long a credential stays good while the database cannot be asked. */
  graceMs: number;
}

/** A timer counts at most this far; also, a machine that slept or a clock that was set is noticed after it. */
const longestTimer = 60_000;

interface Group extends Watched {
  /** `performance.now()` as of which the credential is known to be good. */
  goodAt: number;
  ends: Set<(error: ParleyError) => void>;
}

/**
 * Watches over the credentials of what lasts: subscriptions and sockets. One query every two seconds asks for all of them
 * together; a token's expiry has a timer of its own. While the database is down nothing new is let in elsewhere and what
 * runs goes on, but not for longer than the grace: then it ends too.
 */
export class Watch {
  readonly #db: Db;
  readonly #timing: WatchTiming;
  readonly #now: () => number;
  readonly #groups = new Map<string, Group>();
  readonly #expiries = new Set<NodeJS.Timeout>();
  #timer: NodeJS.Timeout | undefined;
  #sweep: Promise<void> | undefined;
  #closed = false;

  constructor(db: Db, timing: WatchTiming, now: () => number) {
    this.#db = db;
    this.#timing = timing;
    this.#now = now;
  }

  /**
   * Calls `onInvalid` once, never before it returns, when the credential stops being good: UNAUTHENTICATED (expired,
   * revoked), FORBIDDEN (suspended) or UNAVAILABLE (nobody could say for too long). The function that it returns ends the
   * watch.
   */
  add(watched: Watched, onInvalid: (error: ParleyError) => void): () => void {
    const { tenant, userId, keyId, expiresAt } = watched;
    const name = JSON.stringify([tenant, userId, keyId]);
    let group = this.#groups.get(name);
    if (!group) {
      group = { tenant, userId, keyId, goodAt: performance.now(), ends: new Set() };
      this.#groups.set(name, group);
    }
    const { ends } = group;

    let expiry: NodeJS.Timeout | undefined;
    const disarm = () => {
      if (!expiry) return;
      clearTimeout(expiry);
      this.#expiries.delete(expiry);
    };
    const stop = () => {
      disarm();
      ends.delete(end);
      // A group of the same name may have been made since.
      if (ends.size === 0 && this.#groups.get(name)?.ends === ends) this.#groups.delete(name);
      if (this.#groups.size === 0) this.#halt();
    };
    const end = (error: ParleyError) => {
      stop();
      onInvalid(error);
    };
    const arm = (at: number) => {
      disarm();
      const left = at - this.#now();
      expiry = setTimeout(
        () => {
          if (at > this.#now()) arm(at);
          else end(new ParleyError('UNAUTHENTICATED', { details: { cause: 'expired' } }));
        },
        Math.max(0, Math.min(left, longestTimer)),
      );
      expiry.unref();
      this.#expiries.add(expiry);
    };

    ends.add(end);
    if (expiresAt !== undefined && !this.#closed) arm(expiresAt);
    this.#start();
    return stop;
  }

  /** Ends all timers. What is still watched is not told. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#halt();
    for (const timer of this.#expiries) clearTimeout(timer);
    this.#expiries.clear();
    this.#groups.clear();
    await this.#sweep;
  }

  #start(): void {
    if (this.#timer || this.#closed) return;
    this.#timer = setInterval(() => this.#tick(), this.#timing.sweepMs);
    this.#timer.unref();
  }

  #halt(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    // A query that hangs is waited for, not asked again: at most one connection is held.
    this.#sweep ??= this.#ask([...this.#groups.values()]).finally(() => {
      this.#sweep = undefined;
    });
    const oldest = performance.now() - this.#timing.graceMs;
    for (const group of [...this.#groups.values()]) {
      if (group.goodAt < oldest) this.#end(group, () => new ParleyError('UNAVAILABLE'));
    }
  }

  async #ask(groups: readonly Group[]): Promise<void> {
    const asked = performance.now();
    let bad: Awaited<ReturnType<typeof findInvalid>>;
    try {
      bad = await findInvalid(this.#db, groups);
    } catch {
      // Asked again at the next tick; the grace decides.
      return;
    }
    for (const [i, group] of groups.entries()) {
      const why = bad.get(i);
      if (why === undefined) group.goodAt = asked;
      else if (why === 'suspended') this.#end(group, () => new ParleyError('FORBIDDEN'));
      else this.#end(group, () => new ParleyError('UNAUTHENTICATED', { details: { cause: 'invalid' } }));
    }
  }

  #end(group: Group, error: () => ParleyError): void {
    for (const end of [...group.ends]) end(error());
  }
}
