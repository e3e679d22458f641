import type { Redis } from 'ioredis';
import { type Append, type Batch, Fenced, type Head, type Position, type Running } from './port.ts';
import { decodeEvents, encodeEvents, parseRecords, positionText, recordsOf, recordsOfBubbles } from './redis-codec.ts';
import { type Argument, appendScript, headScript, readScript, reopenScript, type Script } from './redis-script.ts';
import { pageBytes } from './ring.ts';

export interface RedisStoreOptions {
  command: Redis;
  prefix: string;
  /** Says in what is published whose it is. */
  origin: string;
  maxEvents: number;
  maxBytes: number;
  ttlMs: number;
  timeoutMs: number;
}

type Known = Position | undefined;

export type Appended =
  | { kind: 'ok'; batch: Batch }
  /** The log is of another epoch than expected; 0 when there is none. Nothing was appended. */
  | { kind: 'moved'; epoch: number }
  /** The log needs the whole text. Nothing was appended. */
  | { kind: 'full' };

/** The logs in Redis, as its scripts see them. Everything rejects when Redis does not answer in time. */
export class RedisStore {
  readonly #options: RedisStoreOptions;

  constructor(options: RedisStoreOptions) {
    this.#options = options;
  }

  channel(conversationId: string): string {
    return `${this.#options.prefix}live:${conversationId}`;
  }

  /**
   * @param known A position that is known to have been.
   * @param full Whether to give the whole text.
   * @throws Fenced
   */
  async append(append: Append, known: Known, expected: number, full: boolean, follows?: Position): Promise<Appended> {
    const { conversationId, events, turn } = append;
    const { origin, maxEvents, maxBytes } = this.#options;
    const reply = list(
      await this.#run(appendScript, conversationId, known, [
        ...[this.channel(conversationId), origin, expected, events.length, encodeEvents(events)],
        ...[turn?.id ?? '', turn?.generation ?? 0, turn?.begins ? 1 : 0, turn?.ends ? 1 : 0],
        turn && !turn.ends ? recordsOf(events) : '',
        ...(full ? [1, append.bubbles ? recordsOfBubbles(append.bubbles()) : recordsOf(events)] : [0, '']),
        ...[maxEvents, Math.ceil(maxBytes / 2), positionText(follows)],
      ]),
    );
    const [kind, epoch, first, fresh] = reply;
    switch (text(kind)) {
      case 'OK': {
        const batch: Batch = { epoch: number(epoch), first: number(first), events };
        if (number(fresh) === 1 && follows) batch.follows = follows;
        return { kind: 'ok', batch };
      }
      case 'MOVED':
        return { kind: 'moved', epoch: number(epoch) };
      case 'FULL':
        return { kind: 'full' };
      default:
        throw new Fenced(`turn ${turn?.id} is over for this owner`);
    }
  }

  /** @param turn One that has a new owner: its older generations are fenced. */
  async head(conversationId: string, known: Known, turn?: { id: string; generation: number }): Promise<Head> {
    const reply = list(await this.#run(headScript, conversationId, known, [turn?.id ?? '', turn?.generation ?? 0]));
    const [epoch, seq, turnId, generation, start, records] = reply;
    const id = text(turnId);
    const running: Running | null =
      id === ''
        ? null
        : {
            turnId: id,
            generation: number(generation),
            start: text(start) === '' ? undefined : number(start),
            bubbles: Buffer.isBuffer(records) ? parseRecords(records) : [],
          };
    return { epoch: number(epoch), seq: number(seq), running };
  }

  async read(
    conversationId: string,
    known: Known,
    { epoch, seq }: Position,
    limit: number,
  ): Promise<readonly Batch[] | 'gone'> {
    const reply = await this.#run(readScript, conversationId, known, [epoch, seq, limit, pageBytes]);
    if (!Array.isArray(reply)) return 'gone';
    return reply.map((entry, i) => {
      const [last, count, data] = list(entry);
      const first = number(last) - number(count) + 1;
      const events = Buffer.isBuffer(data) ? decodeEvents(data) : [];
      return i > 0 || first > seq
        ? { epoch, first, events }
        : { epoch, first: seq + 1, events: events.slice(seq + 1 - first) };
    });
  }

  /**
   * Begins a new epoch after `position`, the end of what this replica did without Redis. The batch follows it if nobody has
   * appended to what this replica had `seen`.
   */
  async reopen(
    conversationId: string,
    seen: Position | undefined,
    position: Head,
    ended: readonly string[],
  ): Promise<Batch> {
    const { running } = position;
    const reply = list(
      await this.#run(reopenScript, conversationId, position, [
        ...[this.channel(conversationId), this.#options.origin, seen?.epoch ?? '', seen?.seq ?? -1],
        ...[running?.turnId ?? '', running?.generation ?? 0],
        ...[recordsOfBubbles(running?.bubbles ?? []), ...ended],
      ]),
    );
    const [epoch, untouched] = reply;
    const batch: Batch = { epoch: number(epoch), first: 1, events: [] };
    if (number(untouched) === 1) batch.follows = { epoch: position.epoch, seq: position.seq };
    return batch;
  }

  async forget(conversationId: string): Promise<void> {
    await this.#within(this.#options.command.unlink(...this.#keys(conversationId)));
  }

  async ping(): Promise<void> {
    await this.#within(this.#options.command.ping());
  }

  #run(script: Script, conversationId: string, known: Known, values: readonly Argument[]): Promise<unknown> {
    const { command, ttlMs } = this.#options;
    return this.#within(
      script.run(command, this.#keys(conversationId), [known?.epoch ?? 0, known?.seq ?? 0, ttlMs, ...values]),
    );
  }

  #keys(conversationId: string): string[] {
    const base = `${this.#options.prefix}{${conversationId}}:`;
    return ['meta', 'text', 'stream', 'fence', 'older'].map((name) => base + name);
  }

  #within<T>(reply: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      // A process that was held up finds its timers run out and the answers waiting: it looks at those first.
      const timer = setTimeout(() => setImmediate(reject, new Error('Redis does not answer')), this.#options.timeoutMs);
      const settle = () => clearTimeout(timer);
      reply.then(resolve, reject).finally(settle);
    });
  }
}

function list(reply: unknown): unknown[] {
  if (!Array.isArray(reply)) throw new Error('unexpected reply of the event log');
  return reply;
}

function text(reply: unknown): string {
  return String(reply);
}

function number(reply: unknown): number {
  const value = Number(String(reply));
  if (!Number.isSafeInteger(value)) throw new Error('unexpected reply of the event log');
  return value;
}
