import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { limits } from '@parley/shared/limits';
import type { Encoded } from '../live/encode.ts';
import type { Sink } from '../live/port.ts';
import { stopped } from './abort.ts';
import { Cork } from './cork.ts';
import { type Chunk, chunkOf, eventChunk, pingChunk, returnChunk } from './sse-chunk.ts';
import type { CallContext } from './transport.ts';

/**
 * One open SSE response. Events go to the raw socket as ready chunks, one write each, which needs the headers to be out; a
 * response that does not own its socket yet, or has no chunked body, is written the common way.
 */
export class SseStream implements Sink {
  readonly born = performance.now();
  readonly #controller: AbortController;
  readonly #res: ServerResponse;
  readonly #socket: Socket | undefined;
  readonly #cork: Cork | undefined;
  readonly #ctx: CallContext | undefined;
  readonly #describe: (cause: unknown) => string;
  #isQuiet = true;
  #isOver = false;

  /** The headers must have been sent. `controller` is aborted when the stream is over, `describe` serialises an error's shape. */
  constructor(
    res: ServerResponse,
    controller: AbortController,
    ctx: CallContext | undefined,
    describe: (cause: unknown) => string,
  ) {
    this.#res = res;
    this.#socket = res.chunkedEncoding && res.socket ? res.socket : undefined;
    this.#cork = this.#socket && new Cork(this.#socket);
    this.#controller = controller;
    this.#ctx = ctx;
    this.#describe = describe;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  event(id: string, event: Encoded): void {
    if (this.#isOver) return;
    const invalid = this.#ctx?.valid?.();
    if (invalid) this.end(invalid);
    else this.write(eventChunk(event, id));
  }

  write(chunk: Chunk): void {
    if ((this.#socket ?? this.#res).destroyed) this.closed();
    if (this.#isOver) return;
    this.#isQuiet = false;
    if (this.#backlog > 0 && this.#backlog + chunk.plain.length > limits.subscriberBytes) {
      // Nothing can be said to a client that does not read: it is cut off, and its EventSource resumes.
      this.cut();
    } else if (this.#socket) {
      this.#cork?.beforeWrite();
      this.#socket.write(chunk.chunked);
    } else this.#res.write(chunk.plain);
  }

  ready(): Promise<void> {
    if (this.#isOver || this.#backlog <= limits.subscriberBytes / 4) return Promise.resolve();
    const emitter = this.#socket ?? this.#res;
    return new Promise((resolve) => {
      const done = (): void => {
        emitter.off('drain', done);
        emitter.off('close', done);
        resolve();
      };
      emitter.on('drain', done);
      emitter.on('close', done);
    });
  }

  /** The subscription is over: the client does not come back, unless its link finds the error retryable. */
  end(error?: Error): void {
    this.write(error ? chunkOf({ event: 'serialized-error', data: this.#describe(error) }) : returnChunk);
    this.leave();
  }

  /** Ends the response without ending the subscription: an EventSource connects again and resumes. */
  leave(): void {
    if (this.#isOver) return;
    this.closed();
    this.#res.end();
  }

  cut(): void {
    this.closed();
    this.#res.destroy();
  }

  /** Nothing more can be written. */
  closed(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#controller.abort(stopped);
  }

  /** Says that it is alive, unless it said something since it was last asked to. */
  ping(): void {
    if (this.#isQuiet) this.write(pingChunk);
    this.#isQuiet = true;
  }

  get #backlog(): number {
    return this.#socket ? this.#socket.writableLength : this.#res.writableLength;
  }
}
