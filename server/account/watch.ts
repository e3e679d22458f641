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

export interface Watcher {
  /** The credential has ended: UNAUTHENTICATED (expired, revoked), FORBIDDEN (suspended), UNAVAILABLE (nobody could say). */
  onInvalid(error: ParleyError): void;
}

export interface WatchTiming {
  /** Milliseconds between two looks at the clock and the database. */
  sweepMs: number;
  /** How long a credential stays good while the database cannot be asked. */
  graceMs: number;
}

/**
 * Watches over the credentials of what lasts: subscriptions and sockets. Every two seconds one sweep looks for tokens that
 * have expired, and one query asks about all of them together; there is no timer and no closure for each, since there is one
 * of these for every idle subscriber. While the database is down nothing new is let in elsewhere and what runs goes on, but
 * not for longer than the grace: then it ends too.
 */
export class Watch {
  readonly #db: Db;
  readonly #timing: WatchTiming;
  readonly #now: () => number;
  readonly #watched = new Map<Watcher, Watched>();
  /** How long the database has not answered, as far as this process has looked: what it slept through it did not ask. */
  #silentMs = 0;
  #sweptAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #asking: Promise<void> | undefined;
  #closed = false;

  constructor(db: Db, timing: WatchTiming, now: () => number) {
    this.#db = db;
    this.#timing = timing;
    this.#now = now;
  }

  /** Tells the watcher once, never before this returns, when the credential stops being good; in the sweep after that. */
  add(watched: Watched, watcher: Watcher): void {
    this.#watched.set(watcher, watched);
    if (this.#timer || this.#closed) return;
    this.#silentMs = 0;
    this.#sweptAt = performance.now();
    this.#timer = setInterval(() => this.#sweep(), this.#timing.sweepMs);
    this.#timer.unref();
  }

  delete(watcher: Watcher): void {
    this.#watched.delete(watcher);
    if (this.#watched.size === 0) this.#halt();
  }

  /** Ends the timer. What is still watched is not told. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#halt();
    this.#watched.clear();
    await this.#asking;
  }

  #halt(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #sweep(): void {
    const now = this.#now();
    for (const [watcher, { expiresAt }] of this.#watched)
      if (expiresAt !== undefined && expiresAt <= now) this.#end(watcher, 'UNAUTHENTICATED', 'expired');
    const { sweepMs, graceMs } = this.#timing;
    const sweptAt = performance.now();
    this.#silentMs += Math.min(sweptAt - this.#sweptAt, 2 * sweepMs);
    this.#sweptAt = sweptAt;
    if (this.#silentMs > graceMs) for (const watcher of this.#watched.keys()) this.#end(watcher, 'UNAVAILABLE');
    // A query that hangs is waited for, not asked again: at most one connection is held.
    if (this.#watched.size > 0)
      this.#asking ??= this.#ask([...this.#watched]).finally(() => {
        this.#asking = undefined;
      });
  }

  async #ask(all: readonly (readonly [Watcher, Watched])[]): Promise<void> {
    let bad: Awaited<ReturnType<typeof findInvalid>>;
    try {
      bad = await findInvalid(
        this.#db,
        all.map(([, watched]) => watched),
      );
    } catch {
      // Asked again at the next sweep; the grace decides.
      return;
    }
    this.#silentMs = 0;
    for (const [place, why] of bad) {
      const [watcher, watched] = all[place] ?? [];
      // It may have left meanwhile, or be watched for another credential.
      if (!watcher || this.#watched.get(watcher) !== watched) continue;
      if (why === 'suspended') this.#end(watcher, 'FORBIDDEN');
      else this.#end(watcher, 'UNAUTHENTICATED', 'invalid');
    }
  }

  #end(watcher: Watcher, reason: 'UNAUTHENTICATED' | 'FORBIDDEN' | 'UNAVAILABLE', cause?: 'expired' | 'invalid'): void {
    this.delete(watcher);
    watcher.onInvalid(cause ? new ParleyError(reason, { details: { cause } }) : new ParleyError(reason));
  }
}
