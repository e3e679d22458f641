import type { Append, Batch, Position } from './port.ts';

/** The newest position seen of a shared log, and the turn that was running in its epoch, if that is known. */
export interface Known extends Position {
  turnId: string | undefined;
}

const most = 20_000;

/** What this process has seen of shared logs: of the conversations that it has learned of last. */
export class KnownPositions {
  /** Least recently learned first. */
  readonly #known = new Map<string, Known>();

  get(conversationId: string): Known | undefined {
    return this.#known.get(conversationId);
  }

  learn(conversationId: string, { epoch, first, events }: Batch, turnId?: string): void {
    const seq = first + events.length - 1;
    const known = this.#known.get(conversationId);
    if (known && (known.epoch > epoch || (known.epoch === epoch && known.seq >= seq))) return;
    this.#known.delete(conversationId);
    this.#known.set(conversationId, {
      epoch,
      seq,
      turnId: turnId ?? (known?.epoch === epoch ? known.turnId : undefined),
    });
    if (this.#known.size <= most) return;
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest);
      return;
    }
  }
}

/**
 * The position after which the append goes on without loss although the log is no more: whoever has seen all that this replica
 * has seen has lost nothing, unless the log had been begun anew without the text that the append goes on with.
 */
export function goesOn(known: Known | undefined, { turn }: Append): Position | undefined {
  if (turn && !turn.begins && !turn.ends && known?.turnId !== turn.id) return undefined;
  return known;
}
