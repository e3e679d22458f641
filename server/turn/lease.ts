import type { Db } from '@parley/db/connect';
import { renewLeases } from '@parley/db/repository/turn-lease';
import type { Logger } from './ports.ts';
import type { StopKind } from './stop.ts';

interface Held {
  generation: number;
  /** On this process's monotonic clock: the database's clock and other replicas' never enter. */
  until: number;
  onLost: (kind: StopKind) => void;
}

/**
 * The leases of the turns that this replica runs, renewed in one statement. A lease counts from before the renewal was
 * asked for, so that this replica's idea of it always ends before the database's.
 */
export class Leases {
  readonly #db: Db;
  readonly #replica: string;
  readonly #leaseMs: number;
  readonly #logger: Logger;
  readonly #held = new Map<string, Held>();
  #timer: NodeJS.Timeout | undefined;
  #renewing: Promise<void> | undefined;

  constructor(options: { db: Db; replica: string; leaseMs: number; logger: Logger }) {
    this.#db = options.db;
    this.#replica = options.replica;
    this.#leaseMs = options.leaseMs;
    this.#logger = options.logger;
  }

  /** `claimedAt`: the monotonic time before the claim was sent. */
  hold(turn: { id: string; generation: number }, claimedAt: number, onLost: (kind: StopKind) => void): void {
    this.#held.set(turn.id, { generation: turn.generation, until: claimedAt + this.#leaseMs, onLost });
    this.#timer ??= setInterval(() => void this.renew(), this.#leaseMs / 4);
  }

  release(id: string): void {
    this.#held.delete(id);
    if (this.#held.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }

  /** Whether this replica may still act for the turn. A process that was stopped wakes up with this false. */
  valid(id: string): boolean {
    const held = this.#held.get(id);
    return held !== undefined && performance.now() < held.until;
  }

  get count(): number {
    return this.#held.size;
  }

  /** Asks the database at once; one renewal at a time. */
  async renew(): Promise<void> {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined;
    });
    await this.#renewing;
  }

  async #renew(): Promise<void> {
    const asked = performance.now();
    const before = new Set(this.#held.keys());
    if (before.size === 0) return;
    try {
      const renewed = await renewLeases(this.#db, { replica: this.#replica, leaseMs: this.#leaseMs }, [...before]);
      for (const turn of renewed) {
        const held = this.#held.get(turn.id);
        before.delete(turn.id);
        if (!held) continue;
        if (held.generation !== turn.generation) held.onLost('lost');
        else if (turn.deleted) held.onLost('deleted');
        else {
          held.until = asked + this.#leaseMs;
          if (turn.interruptRequested) held.onLost('interrupt');
        }
      }
      // Held before the statement and not in its answer: ended or taken over.
      for (const id of before) this.#held.get(id)?.onLost('lost');
    } catch (error) {
      this.#logger.warn({ error: String(error) }, 'leases not renewed');
    }
  }
}
