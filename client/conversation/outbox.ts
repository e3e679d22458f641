import { newId } from '@parley/shared/id';
import type { SentTurn, Speak, TurnPart } from '@parley/shared/turn';
import { failureOf, isLost, ParleyFailure } from '../failure.ts';
import type { SendOptions } from './conversation.ts';

/** What somebody said, until it is among the messages. */
export type Outgoing = {
  /** The id of the turn that it becomes: sending it again is the same turn. */
  readonly turnId: string;
  readonly parts: readonly TurnPart[];
  /** As it was asked for: the same id with another wish is another message. */
  readonly speak?: Speak;
  /** Milliseconds since the epoch, on our clock. */
  readonly createdAt: number;
} & (
  | { readonly status: 'waiting' | 'sending' }
  /** The server has it. It is a message soon, or waits for the turn before it to end. */
  | { readonly status: 'sent' }
  /** It is kept: `resend` sends it again, and a connection that comes back does by itself if that was what failed. */
  | { readonly status: 'failed'; readonly failure: ParleyFailure }
);

export type Content = string | TurnPart[];
export type PostOptions = Omit<SendOptions, 'signal'>;
export type Post = (content: TurnPart[], options: PostOptions) => Promise<SentTurn>;

interface Entry {
  outgoing: Outgoing;
  readonly parts: TurnPart[];
  readonly options: PostOptions;
  waiters: { resolve(sent: SentTurn): void; reject(failure: ParleyFailure): void }[];
}

/** Messages that may wait. */
const most = 100;

/** What is said in a conversation, one after the other; nothing is lost that was not sent, and nothing is said twice. */
export class Outbox {
  readonly #post: Post;
  readonly #isStored: (sent: SentTurn) => boolean;
  readonly #onChange: () => void;
  readonly #entries = new Map<string, Entry>();
  #outgoing: readonly Outgoing[] = [];
  #state: 'idle' | 'sending' = 'idle';

  /** @param isStored Whether a message that the server has is among the messages, or before those that are loaded. */
  constructor(post: Post, isStored: (sent: SentTurn) => boolean, onChange: () => void) {
    this.#post = post;
    this.#isStored = isStored;
    this.#onChange = onChange;
  }

  get outgoing(): readonly Outgoing[] {
    return this.#outgoing;
  }

  /** Resolves when the server has it. @throws ParleyFailure when it was not taken; it is kept then */
  send(content: Content, { turnId = newId(), ...options }: PostOptions = {}): Promise<SentTurn> {
    if (this.#entries.size >= most && !this.#entries.has(turnId))
      return Promise.reject(new ParleyFailure('PAYLOAD_TOO_LARGE', 'Too many messages wait to be sent.'));
    const parts: TurnPart[] = typeof content === 'string' ? [{ type: 'text', text: content }] : content;
    const entry: Entry = this.#entries.get(turnId) ?? {
      outgoing: {
        turnId,
        parts,
        ...(options.speak !== undefined && { speak: options.speak }),
        createdAt: Date.now(),
        status: 'waiting',
      },
      parts,
      options,
      waiters: [],
    };
    this.#entries.set(turnId, entry);
    const sent = new Promise<SentTurn>((resolve, reject) => entry.waiters.push({ resolve, reject }));
    if (entry.outgoing.status === 'failed') this.#become(entry, { status: 'waiting' });
    this.wake();
    return sent;
  }

  /** Sends again what has failed, under the same id. */
  resend(turnId: string): Promise<SentTurn> {
    const entry = this.#entries.get(turnId);
    if (entry) return this.send(entry.parts, { ...entry.options, turnId });
    return Promise.reject(new ParleyFailure('NOT_FOUND', 'There is no such message.'));
  }

  /** Forgets what has failed. */
  discard(turnId: string): void {
    if (this.#entries.get(turnId)?.outgoing.status !== 'failed') return;
    this.#entries.delete(turnId);
    this.#tell();
    void this.#work();
  }

  /** The server can be reached again, or may be. */
  wake(): void {
    for (const entry of this.#entries.values())
      if (entry.outgoing.status === 'failed' && isLost(entry.outgoing.failure))
        this.#become(entry, { status: 'waiting' });
    this.#tell();
    void this.#work();
  }

  /** These are among the messages. Whoever waits still gets the server's answer. */
  settle(turnIds: Iterable<string>): void {
    let changed = false;
    for (const turnId of turnIds) changed = this.#entries.delete(turnId) || changed;
    if (!changed) return;
    this.#tell();
    // What waited for one that had come after all.
    void this.#work();
  }

  async #work(): Promise<void> {
    if (this.#state === 'sending') return;
    this.#state = 'sending';
    for (;;) {
      const entry = this.#next();
      if (!entry) break;
      await this.#deliver(entry);
    }
    this.#state = 'idle';
  }

  /** What was said later waits for what the network failed, or it would come before it. */
  #next(): Entry | undefined {
    for (const entry of this.#entries.values()) {
      const { outgoing } = entry;
      if (outgoing.status === 'waiting') return entry;
      if (outgoing.status === 'failed' && isLost(outgoing.failure)) return undefined;
    }
    return undefined;
  }

  async #deliver(entry: Entry): Promise<void> {
    const { turnId } = entry.outgoing;
    this.#become(entry, { status: 'sending' });
    this.#tell();
    try {
      const sent = await this.#post(entry.parts, { ...entry.options, turnId });
      this.#become(entry, { status: 'sent' });
      // No event tells of one that was stored before.
      if (this.#isStored(sent)) this.#entries.delete(turnId);
      for (const { resolve } of entry.waiters.splice(0)) resolve(sent);
    } catch (cause) {
      const failure = failureOf(cause);
      this.#become(entry, { status: 'failed', failure });
      for (const { reject } of entry.waiters.splice(0)) reject(failure);
    }
    this.#tell();
  }

  #become(
    entry: Entry,
    state: { status: 'waiting' | 'sending' | 'sent' } | { status: 'failed'; failure: ParleyFailure },
  ): void {
    const { turnId, parts, speak, createdAt } = entry.outgoing;
    entry.outgoing = { turnId, parts, ...(speak !== undefined && { speak }), createdAt, ...state };
  }

  #tell(): void {
    this.#outgoing = [...this.#entries.values()].map(({ outgoing }) => outgoing);
    this.#onChange();
  }
}
