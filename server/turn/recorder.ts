import type { Event } from '@parley/shared/event';
import { Encoded } from '../live/encode.ts';
import { Fenced, type LogStore } from '../live/port.ts';
import { checkpoint } from './checkpoint.ts';
import type { Leases } from './lease.ts';
import type { ProgressWriter } from './progress.ts';
import { Stopped } from './stop.ts';

/** Events that may wait for the log before the model is made to wait. */
const highWater = 1024;
/** Events in one entry of the log. */
const batchSize = 256;

export interface RecorderOptions {
  log: LogStore;
  progress: ProgressWriter;
  leases: Leases;
  turn: { id: string; generation: number; conversationId: string };
  /** What another owner of the same turn delivered before. */
  bubbles: readonly string[];
  /** Told once when appending has become impossible. */
  onFailure: (error: unknown) => void;
}

/**
 * Appends one turn's events in order. While an append is under way what comes in meanwhile waits and goes together next,
 * neighbouring deltas of a bubble as one. `bubbles` is what may have been seen: what has been appended or is being appended.
 */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #bubbles: string[];
  #pending: Event[] = [];
  #flushing: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;
  #begun: boolean;
  #spoken = false;

  constructor(options: RecorderOptions & { begun: boolean }) {
    this.#options = options;
    this.#bubbles = [...options.bubbles];
    this.#begun = options.begun;
  }

  get bubbles(): readonly string[] {
    return this.#bubbles;
  }

  /** Queues events; a promise when the producer should wait. */
  push(events: readonly Event[]): Promise<void> | undefined {
    if (this.#failure) return undefined;
    for (const event of events) {
      const last = this.#pending.at(-1);
      if (event.type === 'agent.delta' && last?.type === 'agent.delta' && last.bubble === event.bubble)
        this.#pending[this.#pending.length - 1] = { ...last, text: last.text + event.text };
      else this.#pending.push(event);
    }
    this.#flushing ??= this.#flush();
    return this.#pending.length > highWater ? this.#flushing : undefined;
  }

  /**
   * Resolves when all that was pushed has been appended.
   * @throws what made appending impossible: Fenced, Stopped
   */
  async settled(): Promise<void> {
    await this.#flushing;
    if (this.#failure) throw this.#failure.error;
  }

  async #flush(): Promise<void> {
    // The tick's events go together.
    await Promise.resolve();
    try {
      while (this.#pending.length > 0) await this.#append(this.#pending.splice(0, batchSize));
    } catch (error) {
      this.#failure = { error };
      this.#pending = [];
      this.#options.onFailure(error);
    } finally {
      this.#flushing = undefined;
    }
  }

  async #append(events: readonly Event[]): Promise<void> {
    const { log, leases, turn } = this.#options;
    // A process that was stopped past its lease must not say another word before it knows that the turn is still its own.
    if (!leases.valid(turn.id)) await leases.renew();
    if (!leases.valid(turn.id)) throw new Stopped('lost');
    let spoke = false;
    for (const event of events) {
      if (event.type !== 'agent.delta') continue;
      spoke = true;
      this.#bubbles[event.bubble] = (this.#bubbles[event.bubble] ?? '') + event.text;
    }
    const bubbles = [...this.#bubbles];
    checkpoint('append.before', turn.id);
    await log.append({
      conversationId: turn.conversationId,
      events: events.map((event) => Encoded.of(event)),
      turn: { id: turn.id, generation: turn.generation, begins: !this.#begun },
      bubbles: () => bubbles,
      secure: async () => {
        if (spoke) await this.#options.progress.write({ id: turn.id, generation: turn.generation, bubbles });
      },
    });
    checkpoint('append.after', turn.id);
    if (spoke && !this.#spoken) checkpoint('delta.first', turn.id);
    this.#spoken ||= spoke;
    this.#begun = true;
  }
}

export function isFenced(error: unknown): boolean {
  return error instanceof Fenced || (error instanceof Stopped && error.kind === 'lost');
}
