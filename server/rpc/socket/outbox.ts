import type { Socket } from 'node:net';
import { limits } from '@parley/shared/limits';
import type { WebSocket } from 'ws';
import { Cork } from '../cork.ts';
import { frameOf } from './frame.ts';
import type { Tail } from './tail.ts';

/** Replies above this size are counted apart: a long answer that was asked for does not make a slow consumer. */
const largeReply = 64 * 1024;

export interface SlowListener {
  /** More than limits.subscriberBytes would wait. Called once; no event is sent from then on. */
  tooSlow(): void;
}

/**
 * All that goes to one WebSocket. Pushed events are written as frames to the raw socket, everything else through `ws`; both
 * write whole frames within one call, so they never interleave and keep their order.
 */
export class Outbox {
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #listener: SlowListener;
  readonly #cork: Cork;
  #replyBytes = 0;
  #isSlow = false;
  #waiting: (() => void)[] | undefined;

  constructor(ws: WebSocket, socket: Socket, listener: SlowListener) {
    this.#ws = ws;
    this.#socket = socket;
    this.#listener = listener;
    this.#cork = new Cork(socket);
  }

  /** Bytes of events and small messages that the client has not taken yet. */
  get backlog(): number {
    return this.#socket.writableLength - this.#replyBytes;
  }

  /** Bytes of large replies that the client has not taken yet. */
  get replyBytes(): number {
    return this.#replyBytes;
  }

  push(head: string, tail: Tail): void {
    if (this.#ws.readyState !== this.#ws.OPEN || this.#isSlow) return;
    const backlog = this.backlog;
    if (backlog > 0 && backlog + tail.json.length + tail.byteLength > limits.subscriberBytes) {
      this.#slow();
      return;
    }
    const socket = this.#socket;
    const frame = frameOf(head, tail);
    this.#cork.beforeWrite();
    if (frame.length === 1) {
      socket.write(frame[0]);
      return;
    }
    socket.cork();
    for (const part of frame) socket.write(part);
    socket.uncork();
  }

  send(message: string | Uint8Array): void {
    if (this.#ws.readyState !== this.#ws.OPEN) return;
    if (message.length > largeReply) {
      // As bytes, because a socket counts a waiting string in characters.
      const data = typeof message === 'string' ? Buffer.from(message) : message;
      this.#replyBytes += data.length;
      this.#ws.send(data, { binary: typeof message !== 'string' }, () => {
        this.#replyBytes -= data.length;
      });
      return;
    }
    // What is said while closing a slow connection still goes out: its subscriptions' errors.
    if (!this.#isSlow && this.backlog > limits.subscriberBytes) this.#slow();
    else this.#ws.send(message);
  }

  /** Resolves when a page more may be sent, or nothing at all any more. */
  ready(): Promise<void> {
    if (this.#ws.readyState !== this.#ws.OPEN || this.backlog <= limits.subscriberBytes / 4) return Promise.resolve();
    return new Promise((resolve) => {
      if (this.#waiting) this.#waiting.push(resolve);
      else {
        this.#waiting = [resolve];
        this.#socket.once('drain', () => this.release());
      }
    });
  }

  /** Lets everyone go on who waits for room; at the end of the connection too. */
  release(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) for (const resolve of waiting) resolve();
  }

  #slow(): void {
    this.#isSlow = true;
    this.#listener.tooSlow();
  }
}
