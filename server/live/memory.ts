import { Few } from './few.ts';
import { Lanes } from './lane.ts';
import type { Append, Batch, Head, LogListener, LogStore, Position } from './port.ts';
import { Ring } from './ring.ts';

export interface MemoryLogOptions {
  /** Events and bytes that one conversation keeps. */
  maxEvents?: number;
  maxBytes?: number;
  /** Conversations that nobody listens to, and bytes of all together. */
  maxConversations?: number;
  totalBytes?: number;
  now?: () => number;
}

interface Held {
  ring: Ring | undefined;
  readonly listeners: Few<LogListener>;
}

const maxWaiting = 1_000;

/** The event log in this process: lost with it, so that what is appended is made durable before anyone sees it. */
export class MemoryLog implements LogStore {
  readonly #bounds: Required<MemoryLogOptions>;
  /** Conversations that someone listens to; and the others, least recently used first. */
  readonly #heard = new Map<string, Held>();
  readonly #quiet = new Map<string, Held>();
  readonly #lanes = new Lanes(maxWaiting);
  #bytes = 0;
  #lastEpoch = 0;

  constructor(options: MemoryLogOptions = {}) {
    this.#bounds = {
      maxEvents: 4_000,
      maxBytes: 4 * 1024 * 1024,
      maxConversations: 10_000,
      totalBytes: 256 * 1024 * 1024,
      now: Date.now,
      ...options,
    };
  }

  append(append: Append): Promise<Batch> {
    return this.#lanes.run(append.conversationId, async () => {
      this.#ring(append.conversationId).admit(append.turn);
      await append.secure?.();
      return this.#deliver(append);
    });
  }

  async head(conversationId: string): Promise<Head> {
    return this.#ring(conversationId).head;
  }

  async claim(conversationId: string, turn: { id: string; generation: number }): Promise<Head> {
    const ring = this.#ring(conversationId);
    ring.claim(turn);
    return ring.head;
  }

  async read(conversationId: string, position: Position, limit: number): Promise<readonly Batch[] | 'gone'> {
    return this.#find(conversationId)?.ring?.read(position, limit) ?? 'gone';
  }

  async listen(conversationId: string, listener: LogListener): Promise<void> {
    const held = this.#hold(conversationId);
    this.#quiet.delete(conversationId);
    this.#heard.set(conversationId, held);
    held.listeners.add(listener);
  }

  unlisten(conversationId: string, listener: LogListener): void {
    const held = this.#heard.get(conversationId);
    if (!held?.listeners.delete(listener) || held.listeners.size > 0) return;
    this.#heard.delete(conversationId);
    if (held.ring) this.#quiet.set(conversationId, held);
    this.#evict();
  }

  /** Begins a conversation that has no log here, in an epoch after the position and without loss for whoever stands at `follows`. */
  continueAfter(conversationId: string, position: Position | undefined, follows: Position | undefined): void {
    const held = this.#hold(conversationId);
    held.ring ??= new Ring(this.#nextEpoch(position?.epoch), follows);
    this.#evict();
  }

  /** The end of a conversation's log, and the turns that ended in it. */
  state(conversationId: string): { head: Head; ended: string[] } {
    const { head, ended } = this.#ring(conversationId);
    return { head, ended };
  }

  forget(conversationId: string): Promise<void> {
    return this.#lanes.run(conversationId, async () => {
      const held = this.#find(conversationId);
      if (!held) return;
      this.#bytes -= held.ring?.bytes ?? 0;
      held.ring = undefined;
      this.#quiet.delete(conversationId);
    });
  }

  healthy(): boolean {
    return true;
  }

  async close(): Promise<void> {
    this.#heard.clear();
    this.#quiet.clear();
    this.#bytes = 0;
  }

  #deliver(append: Append): Batch {
    const { conversationId } = append;
    const ring = this.#ring(conversationId, append);
    const before = ring.bytes;
    const batch = ring.append(append);
    ring.trim(this.#bounds.maxEvents, this.#bounds.maxBytes);
    this.#bytes += ring.bytes - before;
    this.#evict();
    if (this.#bytes > this.#bounds.totalBytes) {
      const all = ring.bytes;
      ring.trim(this.#bounds.maxEvents, this.#bounds.maxBytes / 16);
      this.#bytes -= all - ring.bytes;
    }
    for (const listener of this.#heard.get(conversationId)?.listeners.all() ?? []) listener.onBatch(batch);
    return batch;
  }

  #find(conversationId: string): Held | undefined {
    return this.#heard.get(conversationId) ?? this.#quiet.get(conversationId);
  }

  #hold(conversationId: string): Held {
    const heard = this.#heard.get(conversationId);
    if (heard) return heard;
    const held = this.#quiet.get(conversationId) ?? { ring: undefined, listeners: new Few() };
    this.#quiet.delete(conversationId);
    this.#quiet.set(conversationId, held);
    return held;
  }

  #ring(conversationId: string, append?: Append): Ring {
    const held = this.#hold(conversationId);
    if (!held.ring) {
      held.ring = new Ring(this.#nextEpoch());
      this.#evict();
    } else if (append && held.ring.lacks(append)) {
      this.#bytes -= held.ring.bytes;
      held.ring = held.ring.renewed(this.#nextEpoch());
    }
    return held.ring;
  }

  #nextEpoch(after = 0): number {
    this.#lastEpoch = Math.max(this.#bounds.now() * 1_000, this.#lastEpoch + 1, after + 1);
    return this.#lastEpoch;
  }

  #evict(): void {
    for (const [conversationId, held] of this.#quiet) {
      if (this.#quiet.size <= this.#bounds.maxConversations && this.#bytes <= this.#bounds.totalBytes) return;
      // One that is being written to is the newest but for more writers than the bound; it starts a new epoch then.
      this.#quiet.delete(conversationId);
      this.#bytes -= held.ring?.bytes ?? 0;
    }
  }
}
