import type { Redis } from 'ioredis';
import { Few } from './few.ts';

interface Channel {
  readonly listeners: Few<Listener>;
  /** Settles when Redis has been asked; never rejects. */
  asked: Promise<void>;
  /** Whether Redis has said that it delivers. */
  confirmed: boolean;
}

export interface Listener {
  onMessage(message: Buffer): void;
  /** Messages may have been missed; from now on they come. */
  onLost(): void;
}

const tickMs = 500;
const channelsAtOnce = 500;
/** Checks of the connection that may fail before it is made anew. */
const patience = 4;

/** All of a replica's subscriptions on one connection, which it watches over and renews. */
export class RedisListener {
  readonly #redis: Redis;
  readonly #channels = new Map<string, Channel>();
  readonly #timer: NodeJS.Timeout;
  #failures = 0;
  #ticking = false;

  constructor(redis: Redis) {
    this.#redis = redis;
    redis.on('messageBuffer', this.#onMessage);
    redis.on('close', this.#onClose);
    redis.on('ready', this.#tick);
    this.#timer = setInterval(this.#tick, tickMs);
    this.#timer.unref();
  }

  /** Resolves when Redis delivers, or when it cannot be reached: then `onLost` says when it does. */
  async listen(name: string, listener: Listener): Promise<() => void> {
    let channel = this.#channels.get(name);
    if (!channel) {
      channel = { listeners: new Few(), asked: Promise.resolve(), confirmed: false };
      this.#channels.set(name, channel);
      channel.asked = this.#ask([[name, channel]]).catch(() => {});
    }
    const own = channel;
    // Before anything is awaited: the channel is given up when its last listener leaves.
    own.listeners.add(listener);
    await own.asked;
    return () => {
      own.listeners.delete(listener);
      if (own.listeners.size > 0 || this.#channels.get(name) !== own) return;
      this.#channels.delete(name);
      this.#redis.unsubscribe(name).catch(() => {});
    };
  }

  close(): void {
    clearInterval(this.#timer);
    this.#redis.off('messageBuffer', this.#onMessage);
    this.#redis.off('close', this.#onClose);
    this.#redis.off('ready', this.#tick);
    if (this.#channels.size > 0) this.#redis.unsubscribe(...this.#channels.keys()).catch(() => {});
    this.#channels.clear();
  }

  async #ask(channels: readonly (readonly [string, Channel])[]): Promise<void> {
    await this.#redis.subscribe(...channels.map(([name]) => name));
    for (const [, channel] of channels) channel.confirmed = true;
  }

  readonly #onMessage = (name: Buffer, message: Buffer): void => {
    for (const { onMessage } of this.#channels.get(name.toString())?.listeners.all() ?? []) onMessage(message);
  };

  readonly #onClose = (): void => {
    for (const channel of this.#channels.values()) channel.confirmed = false;
  };

  /** Renews what is not confirmed; else makes sure that the connection is not a dead one. */
  readonly #tick = async (): Promise<void> => {
    if (this.#ticking) return;
    this.#ticking = true;
    try {
      const waiting = [...this.#channels].filter(([, { confirmed }]) => !confirmed);
      if (waiting.length === 0) await this.#redis.ping();
      for (let i = 0; i < waiting.length; i += channelsAtOnce) {
        const some = waiting.slice(i, i + channelsAtOnce);
        await this.#ask(some);
        for (const [, { listeners }] of some) for (const { onLost } of listeners.all()) onLost();
      }
      this.#failures = 0;
    } catch {
      if (++this.#failures % patience === 0) this.#redis.disconnect(true);
    } finally {
      this.#ticking = false;
    }
  };
}
