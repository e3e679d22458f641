import type { Locale } from '@parley/shared/explain';
import { announceEnd } from './announce.ts';
import { Leases } from './lease.ts';
import type { TurnPorts } from './ports.ts';
import { ProgressWriter } from './progress.ts';
import { type Claimed, runTurn } from './run.ts';
import type { Settled } from './settle.ts';
import { type StopKind, Stopped } from './stop.ts';
import { errorName } from './verdict.ts';

interface Running {
  /** Stops speaking, when it speaks. */
  hush?: () => boolean;
  /** It was to stop speaking before it was known whether it speaks. */
  hushed?: true;
  abort: AbortController;
  done: Promise<void>;
}

/** The turns that this replica owns: each runs from its first event to its terminal one, and then the one that waited for it. */
export class TurnRunner {
  readonly leases: Leases;
  readonly #ports: TurnPorts;
  readonly #progress: ProgressWriter;
  readonly #running = new Map<string, Running>();
  #isLeaving = false;

  constructor(ports: TurnPorts) {
    this.#ports = ports;
    this.#progress = new ProgressWriter(ports.db);
    this.leases = new Leases(ports);
  }

  get count(): number {
    return this.#running.size;
  }

  /** Ids of the turns that run here. */
  get running(): string[] {
    return [...this.#running.keys()];
  }

  get claim(): { replica: string; leaseMs: number } {
    return { replica: this.#ports.replica, leaseMs: this.#ports.leaseMs };
  }

  /** Starts a claimed turn; it goes on by itself, whoever listens. */
  start(claimed: Claimed): void {
    const { turn } = claimed;
    if (this.#running.has(turn.id)) return;
    const abort = new AbortController();
    this.leases.hold(turn, claimed.claimedAt, (kind) => abort.abort(new Stopped(kind)));
    const done = this.#run(claimed, abort)
      .catch((error: unknown) => {
        this.#ports.logger.error({ turnId: turn.id, error: errorName(error) }, 'turn not ended by this replica');
      })
      .finally(() => {
        this.#running.delete(turn.id);
        this.leases.release(turn.id);
      });
    this.#running.set(turn.id, { abort, done });
  }

  /** Stops a turn if it runs here; resolves when it has ended, false when it does not run here. */
  async stop(turnId: string, kind: StopKind): Promise<boolean> {
    const running = this.#running.get(turnId);
    if (!running) return false;
    running.abort.abort(new Stopped(kind));
    await running.done;
    return true;
  }

  /** Resolves when a turn that runs here has ended and its events are out; at once when it does not run here. */
  async ended(turnId: string): Promise<boolean> {
    const running = this.#running.get(turnId);
    await running?.done;
    return running !== undefined;
  }

  /** Speech of a turn that runs here stops; its text goes on. */
  hush(turnId: string): boolean {
    const running = this.#running.get(turnId);
    if (running && !running.hush) running.hushed = true;
    return running?.hush?.() ?? false;
  }

  /** Hands over what runs here, and what waits behind it: this replica starts nothing any more. */
  async leave(): Promise<void> {
    this.#isLeaving = true;
    await Promise.all([...this.#running.keys()].map((id) => this.stop(id, 'handover')));
  }

  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all([...this.#running.values()].map((running) => running.done));
  }

  async #run(claimed: Claimed, abort: AbortController): Promise<void> {
    const { turn } = claimed;
    const ended = await runTurn(this.#ports, {
      claimed,
      claim: () => (this.#isLeaving ? undefined : this.claim),
      abort,
      leases: this.leases,
      progress: this.#progress,
      onSpeaker: (hush) => {
        const running = this.#running.get(turn.id);
        if (running) running.hush = hush;
        if (running?.hushed) hush();
      },
    });
    if (ended) await this.conclude(ended.settled, ended.locale, ended.bubbles);
  }

  /**
   * Tells of a settled turn's end, and starts the turn that waited behind it: also when telling fails, which any replica's
   * sweep makes good.
   */
  async conclude(settled: Settled, locale: Locale, bubbles: readonly string[]): Promise<void> {
    try {
      await announceEnd(this.#ports, settled, locale, bubbles);
    } finally {
      if (settled.next) this.start(settled.next);
    }
  }
}
