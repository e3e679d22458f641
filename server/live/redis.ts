import { randomUUID } from 'node:crypto';
import { Few } from './few.ts';
import { goesOn, KnownPositions } from './known.ts';
import { Lanes } from './lane.ts';
import { MemoryLog } from './memory.ts';
import { type Append, type Batch, Fenced, type Head, type LogListener, type LogStore, type Position } from './port.ts';
import { parsePublished } from './redis-codec.ts';
import type { RedisConnections } from './redis-connect.ts';
import { RedisListener } from './redis-listener.ts';
import { RedisReach } from './redis-reach.ts';
import { RedisStore } from './redis-store.ts';

export interface RedisLogOptions {
  prefix?: string;
  /** Events and bytes that one conversation keeps, about. */
  maxEvents?: number;
  maxBytes?: number;
  /** How long an unused log is kept. */
  ttlMs?: number;
  timeoutMs?: number;
  /** Told when Redis is lost, with why, and when it is back. */
  onState?: (lost: Error | undefined) => void;
}

interface Listening {
  listener: LogListener;
  stop(): void;
}

const maxWaiting = 1_000;
/** Conversations that can go on without Redis; more are refused. */
const maxDetached = 50_000;
const reopenAtOnce = 16;

/**
 * The event log in Redis, shared by all replicas. While Redis cannot be reached a conversation that is written to or
 * subscribed to goes on in this process: detached, in an epoch of its own that follows what was seen last. When Redis is back
 * each detached conversation begins a new epoch there, at which subscribers of other replicas take a gap.
 */
export class RedisLog implements LogStore {
  readonly #origin = randomUUID();
  readonly #store: RedisStore;
  readonly #listener: RedisListener;
  readonly #memory: MemoryLog;
  readonly #lanes = new Lanes(maxWaiting);
  readonly #listening = new Map<string, Few<Listening>>();
  readonly #known = new KnownPositions();
  /** Detached conversations, each with what was seen of it in Redis before. */
  readonly #detached = new Map<string, Position | undefined>();
  readonly #ready: Promise<void>;
  readonly #reach: RedisReach;

  constructor(connections: RedisConnections, options: RedisLogOptions = {}) {
    const defaults = {
      prefix: 'parley:',
      maxEvents: 4_000,
      maxBytes: 8 * 1024 * 1024,
      ttlMs: 3_600_000,
      timeoutMs: 300,
    };
    const { onState = () => {}, ...store } = options;
    this.#store = new RedisStore({ command: connections.command, origin: this.#origin, ...defaults, ...store });
    this.#listener = new RedisListener(connections.subscriber);
    this.#memory = new MemoryLog();
    this.#ready = connections.ready;
    this.#reach = new RedisReach({
      ping: () => this.#store.ping(),
      onBack: () => this.#reopenAll(),
      reconnect: () => connections.command.disconnect(true),
      onState,
    });
  }

  append(append: Append): Promise<Batch> {
    const { conversationId } = append;
    return this.#lanes.run(conversationId, async () => {
      let batch = await this.#attempt(conversationId, () => this.#write(append));
      if (batch) this.#known.learn(conversationId, batch, append.turn?.ends ? undefined : append.turn?.id);
      else {
        this.#detach(conversationId, append);
        batch = await this.#memory.append(append);
      }
      this.#deliver(conversationId, batch);
      return batch;
    });
  }

  head(conversationId: string): Promise<Head> {
    return this.#head(conversationId);
  }

  claim(conversationId: string, turn: { id: string; generation: number }): Promise<Head> {
    return this.#head(conversationId, turn);
  }

  async read(conversationId: string, position: Position, limit: number): Promise<readonly Batch[] | 'gone'> {
    const known = this.#known.get(conversationId);
    const page = await this.#attempt(conversationId, () => this.#store.read(conversationId, known, position, limit));
    return page ?? this.#memory.read(conversationId, position, limit);
  }

  async listen(conversationId: string, listener: LogListener): Promise<void> {
    await this.#ready;
    const stop = await this.#listener.listen(this.#store.channel(conversationId), {
      onMessage: (message) => this.#onMessage(conversationId, listener, message),
      onLost: () => listener.onLost(),
    });
    // Not before: what this replica appends shows that all the others' arrives too, once Redis delivers.
    const all = this.#listening.get(conversationId) ?? new Few();
    this.#listening.set(conversationId, all);
    all.add({ listener, stop });
  }

  unlisten(conversationId: string, listener: LogListener): void {
    const all = this.#listening.get(conversationId);
    const listening = all?.find((each) => each.listener === listener);
    if (!all || !listening) return;
    listening.stop();
    all.delete(listening);
    if (all.size === 0) this.#listening.delete(conversationId);
  }

  /** @throws Error when Redis cannot be reached: only what this process held is forgotten then, and not brought back there. */
  forget(conversationId: string): Promise<void> {
    return this.#lanes.run(conversationId, async () => {
      this.#detached.delete(conversationId);
      await this.#memory.forget(conversationId);
      await this.#store.forget(conversationId);
    });
  }

  healthy(): boolean {
    return this.#reach.isReachable;
  }

  /** Leaves the connections open. */
  async close(): Promise<void> {
    const probed = this.#reach.close();
    this.#listener.close();
    this.#listening.clear();
    await probed;
    await this.#memory.close();
  }

  async #head(conversationId: string, turn?: { id: string; generation: number }): Promise<Head> {
    const known = this.#known.get(conversationId);
    const head = await this.#attempt(conversationId, () => this.#store.head(conversationId, known, turn));
    if (!head) {
      this.#detach(conversationId);
      return turn ? this.#memory.claim(conversationId, turn) : this.#memory.head(conversationId);
    }
    this.#known.learn(conversationId, { epoch: head.epoch, first: head.seq + 1, events: [] }, head.running?.turnId);
    return head;
  }

  async #write(append: Append): Promise<Batch> {
    const known = this.#known.get(append.conversationId);
    let expected = known?.epoch ?? 0;
    let full = false;
    let follows: Position | undefined;
    for (let attempt = 0; attempt < 8; attempt++) {
      const appended = await this.#store.append(append, known, expected, full, follows);
      if (appended.kind === 'ok') return appended.batch;
      full = true;
      if (appended.kind === 'full') continue;
      expected = appended.epoch;
      follows = expected === 0 ? goesOn(known, append) : undefined;
    }
    throw new Error('the log changes faster than it can be appended to');
  }

  /** Undefined when Redis cannot be reached, or not for this conversation yet. */
  async #attempt<T>(conversationId: string, task: () => Promise<T>): Promise<T | undefined> {
    await this.#ready;
    if (!this.#reach.isReachable || this.#detached.has(conversationId)) return undefined;
    try {
      return await task();
    } catch (error) {
      if (error instanceof Fenced) throw error;
      this.#reach.lose(error);
      return undefined;
    }
  }

  #deliver(conversationId: string, batch: Batch): void {
    for (const { listener } of this.#listening.get(conversationId)?.all() ?? []) listener.onBatch(batch);
  }

  #onMessage(conversationId: string, listener: LogListener, message: Buffer): void {
    try {
      // What this replica has appended is delivered when Redis has acknowledged it.
      const published = parsePublished(message, this.#origin);
      if (!published) return;
      this.#known.learn(conversationId, published.batch);
      listener.onBatch(published.batch);
    } catch {
      listener.onLost();
    }
  }

  #detach(conversationId: string, append?: Append): void {
    if (this.#detached.has(conversationId)) return;
    if (this.#detached.size >= maxDetached) throw new Error('the event log cannot be reached');
    const known = this.#known.get(conversationId);
    this.#detached.set(conversationId, known);
    this.#memory.continueAfter(conversationId, known, append ? goesOn(known, append) : known);
  }

  /** @throws Error when Redis is lost again; what has not been reopened stays detached. */
  async #reopenAll(): Promise<void> {
    const waiting = [...this.#detached.keys()];
    const work = async () => {
      for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
        const conversationId = id;
        await this.#lanes.run(conversationId, () => this.#reopen(conversationId));
      }
    };
    await Promise.all(Array.from({ length: reopenAtOnce }, work));
  }

  async #reopen(conversationId: string): Promise<void> {
    if (!this.#detached.has(conversationId)) return;
    const { head, ended } = this.#memory.state(conversationId);
    const batch = await this.#store.reopen(conversationId, this.#detached.get(conversationId), head, ended);
    this.#detached.delete(conversationId);
    this.#known.learn(conversationId, batch);
    this.#deliver(conversationId, batch);
    await this.#memory.forget(conversationId);
  }
}
