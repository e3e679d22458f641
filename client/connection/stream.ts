import type { AppRouter } from '@parley/server/rpc/router';
import { clientTransformer } from '@parley/shared/wire';
import { observable } from '#observable';
import { TRPCClientError, type TRPCLink } from '#trpc';
import { isRecord } from '../failure.ts';
import { EventStreamParser, type ServerSentEvent } from './event-stream.ts';
import type { ConnectionOptions } from './link.ts';

/** How long the headers, and then a stream whose server has not said, may be silent. Milliseconds. */
const silenceMs = 30_000;

type Result = { type: 'started' } | { type: 'data'; id?: string; data: unknown };

interface Receiver {
  result(result: Result): void;
  /** With an error when the subscription failed or was cut. */
  end(error?: Error): void;
}

/**
 * Subscriptions as server-sent events read with `fetch`, for runtimes without an EventSource. The credential is in a header.
 * One subscription is one request: when it is cut, it fails, and whoever made it resumes.
 */
export function fetchStreamLink(options: ConnectionOptions): TRPCLink<AppRouter> {
  return () =>
    ({ op }) =>
      observable((observer) => {
        const stream = new FetchStream(options, {
          result: (result) => observer.next({ result }),
          end: (error) => (error ? observer.error(TRPCClientError.from(error)) : observer.complete()),
        });
        const stop = (): void => stream.end();
        if (op.signal?.aborted) stop();
        else op.signal?.addEventListener('abort', stop, { once: true });
        void stream.run(op.path, op.input);
        return () => {
          op.signal?.removeEventListener('abort', stop);
          stream.stop();
        };
      });
}

class FetchStream {
  readonly #options: ConnectionOptions;
  readonly #receiver: Receiver;
  readonly #controller = new AbortController();
  #silenceMs = silenceMs;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;

  constructor(options: ConnectionOptions, receiver: Receiver) {
    this.#options = options;
    this.#receiver = receiver;
  }

  async run(path: string, input: unknown): Promise<void> {
    const { url, credential } = this.#options;
    const request = this.#options.fetch ?? fetch;
    this.#expect();
    try {
      const query = encodeURIComponent(JSON.stringify(clientTransformer.serialize(input)));
      const headers = { ...(await credential.headers()), accept: 'text/event-stream' };
      if (this.#isOver) return;
      const response = await request(`${url}/trpc/${path}?input=${query}`, {
        headers,
        signal: this.#controller.signal,
      });
      if (!response.headers.get('content-type')?.includes('text/event-stream')) {
        await this.#refused(response);
        return;
      }
      if (!response.body)
        throw new Error('This fetch cannot stream: give createParley an EventSource, or use a WebSocket.');
      await this.#read(response.body.getReader());
      this.end(new Error('The stream was cut.'));
    } catch (cause) {
      this.end(cause instanceof Error ? cause : new Error('The stream was lost.'));
    }
  }

  /** The subscription is over and its receiver is told; `stop` does not tell it. */
  end(error?: Error): void {
    if (this.#isOver) return;
    this.stop();
    this.#receiver.end(error);
  }

  stop(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#controller.abort();
  }

  async #read(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    const parser = new EventStreamParser((event) => this.#take(event));
    while (!this.#isOver) {
      const { done, value } = await reader.read();
      if (done) return;
      this.#expect();
      parser.push(decoder.decode(value, { stream: true }));
    }
  }

  #take({ type, data, id }: ServerSentEvent): void {
    if (this.#isOver) return;
    if (type === 'message') {
      const value = deserialize(data);
      this.#receiver.result({ type: 'data', ...(id === '' ? { data: value } : { id, data: { id, data: value } }) });
    } else if (type === 'connected') {
      const told: unknown = JSON.parse(data);
      if (isRecord(told) && typeof told.reconnectAfterInactivityMs === 'number') {
        this.#silenceMs = told.reconnectAfterInactivityMs;
        this.#expect();
      }
      this.#receiver.result({ type: 'started' });
    } else if (type === 'serialized-error') this.end(errorOf(deserialize(data)));
    else if (type === 'return') this.end();
  }

  async #refused(response: Response): Promise<void> {
    const body: unknown = await response.json();
    const error = isRecord(body) && isRecord(body.error) ? body.error : undefined;
    this.end(errorOf(error && 'json' in error ? clientTransformer.deserialize({ json: null, ...error }) : error));
  }

  #expect(): void {
    clearTimeout(this.#timer);
    if (this.#isOver) return;
    this.#timer = setTimeout(() => this.end(new Error('The server has gone silent.')), this.#silenceMs);
  }
}

function deserialize(text: string): unknown {
  const value: unknown = JSON.parse(text);
  return isRecord(value) && 'json' in value ? clientTransformer.deserialize({ json: null, ...value }) : value;
}

function errorOf(shape: unknown): TRPCClientError<AppRouter> {
  return TRPCClientError.from(
    isRecord(shape) ? { error: shape } : new Error('The server does not answer as Parley does.'),
  );
}
