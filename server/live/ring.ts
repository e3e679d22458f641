import { type Append, type Batch, Fenced, type Head, type Position, type Running } from './port.ts';

/** What an event costs besides its payload, about. */
const eventOverhead = 256;
/** Turns of one conversation whose generation or end is remembered. */
const fencedTurns = 64;
export const pageBytes = 256 * 1024;

/** One epoch of one conversation's log in memory: the newest events, the running turn, and who may still append. */
export class Ring {
  readonly epoch: number;
  seq = 0;
  bytes = 0;
  #events = 0;
  #batches: Batch[] = [];
  #running: Running | null = null;
  readonly #follows: Position | undefined;
  /** Turn to its generation, or to Infinity once it has ended. Made at the first turn: most logs are only listened to. */
  #fences: Map<string, number> | undefined;
  /** Whether anyone may know of this epoch. */
  #shown = false;

  /** @param follows The position that this epoch continues without loss. */
  constructor(epoch: number, follows?: Position, fences?: Map<string, number>) {
    this.epoch = epoch;
    this.#follows = follows;
    this.#fences = fences;
  }

  /** The next epoch, empty. */
  renewed(epoch: number): Ring {
    return new Ring(epoch, undefined, this.#fences);
  }

  /** Whether subscribers of this epoch were never told of a text that the append goes on with: it needs a new epoch. */
  lacks({ turn, bubbles }: Append): boolean {
    if (!this.#shown || this.#running || !turn || turn.begins || turn.ends) return false;
    return bubbles?.().some((text) => text !== '') ?? false;
  }

  get head(): Head {
    this.#shown = true;
    const running = this.#running && { ...this.#running, bubbles: [...this.#running.bubbles] };
    return { epoch: this.epoch, seq: this.seq, running };
  }

  /** The turns that ended here. */
  get ended(): string[] {
    return [...(this.#fences ?? [])]
      .filter(([, generation]) => generation === Number.POSITIVE_INFINITY)
      .map(([id]) => id);
  }

  /** From here on older generations of the turn are fenced. */
  claim(turn: { id: string; generation: number }): void {
    if (turn.generation > (this.#fences?.get(turn.id) ?? 0)) this.#fence(turn.id, turn.generation);
  }

  /** @throws Fenced */
  admit(turn: Append['turn']): void {
    if (turn && turn.generation < (this.#fences?.get(turn.id) ?? 0))
      throw new Fenced(`turn ${turn.id} is over for this owner`);
  }

  /** Appends what has been admitted. */
  append(append: Append): Batch {
    const batch: Batch = { epoch: this.epoch, first: this.seq + 1, events: append.events };
    if (this.#follows && this.seq === 0) batch.follows = this.#follows;
    this.#shown = true;
    this.#follow(append, this.seq);
    this.seq += append.events.length;
    this.#batches.push(batch);
    this.#events += append.events.length;
    for (const event of append.events) this.bytes += event.size + eventOverhead;
    return batch;
  }

  read(position: Position, limit: number): readonly Batch[] | 'gone' {
    if (position.epoch !== this.epoch || position.seq > this.seq) return 'gone';
    if (position.seq === this.seq) return [];
    let low = 0;
    for (let high = this.#batches.length; low < high; ) {
      const middle = (low + high) >>> 1;
      const batch = this.#batches[middle];
      if (batch && batch.first + batch.events.length <= position.seq + 1) low = middle + 1;
      else high = middle;
    }
    const start = this.#batches[low];
    if (!start || start.first > position.seq + 1) return 'gone';
    const skip = position.seq + 1 - start.first;
    const page: Batch[] = [
      skip === 0 ? start : { epoch: this.epoch, first: position.seq + 1, events: start.events.slice(skip) },
    ];
    let events = start.events.length - skip;
    let bytes = sizeOf(start);
    for (let i = low + 1; i < this.#batches.length; i++) {
      const batch = this.#batches[i];
      if (!batch) break;
      events += batch.events.length;
      bytes += sizeOf(batch);
      if (events > limit || bytes > pageBytes) break;
      page.push(batch);
    }
    return page;
  }

  /** Drops the oldest batches beyond the bounds; the newest one stays. */
  trim(maxEvents: number, maxBytes: number): void {
    let drop = 0;
    while (drop < this.#batches.length - 1 && (this.#events > maxEvents || this.bytes > maxBytes)) {
      const batch = this.#batches[drop++];
      if (!batch) break;
      this.#events -= batch.events.length;
      this.bytes -= sizeOf(batch);
    }
    if (drop > 0) this.#batches.splice(0, drop);
  }

  /** Keeps the running turn's text at the position that the batch leads to. `before` is the position ahead of it. */
  #follow({ turn, events, bubbles }: Append, before: number): void {
    if (!turn) return;
    this.#fence(turn.id, turn.ends ? Number.POSITIVE_INFINITY : turn.generation);
    const same = this.#running?.turnId === turn.id;
    if (turn.ends) {
      // Another turn may have begun between this one's end in the database and its last event here.
      if (same) this.#running = null;
      return;
    }
    if (turn.begins) {
      this.#running = { turnId: turn.id, generation: turn.generation, start: before, bubbles: [] };
    } else if (!this.#running || (same && this.#running.generation < turn.generation)) {
      const start = this.#running?.start;
      this.#running = { turnId: turn.id, generation: turn.generation, start, bubbles: bubbles?.() ?? [] };
      if (bubbles) return;
    } else if (!same) return;
    const text = this.#running.bubbles;
    for (const { event } of events) {
      if (event.type !== 'agent.delta') continue;
      while (text.length <= event.bubble) text.push('');
      text[event.bubble] += event.text;
    }
  }

  #fence(turnId: string, generation: number): void {
    this.#fences ??= new Map();
    const fences = this.#fences;
    fences.delete(turnId);
    fences.set(turnId, generation);
    if (fences.size > fencedTurns) for (const oldest of fences.keys()) return void fences.delete(oldest);
  }
}

function sizeOf(batch: Batch): number {
  let size = 0;
  for (const event of batch.events) size += event.size + eventOverhead;
  return size;
}
