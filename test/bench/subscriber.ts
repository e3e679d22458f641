import { connect, type Socket } from 'node:net';
import { clock } from './clock.ts';
import { FrameReader } from './frame-reader.ts';
import type { Connection } from './protocol.ts';

/** Pieces of all connections come in one buffer, one after the other: nothing is allocated for them. */
const buffer = Buffer.allocUnsafe(256 * 1024);

const ping = { ws: 4, sse: 'event: ping\ndata: \n\n\n'.length };

export interface Listener {
  onEvent(): void;
  onLost(): void;
}

/** One who listens with as little work as can be: messages are counted, not read. */
export class Subscriber {
  /** Listens: the connection is up, and its subscription has been confirmed. */
  readonly ready: Promise<void>;
  count = 0;
  /** When each of the first messages came. */
  times = new Float64Array(0);
  readonly #socket: Socket;
  readonly #connection: Connection;
  readonly #ready = Promise.withResolvers<void>();
  readonly #listener: Listener;
  #isClosed = false;
  #isReady = false;

  constructor(connection: Connection, listener: Listener) {
    this.#connection = connection;
    this.#listener = listener;
    this.ready = this.#ready.promise;
    const reader = new FrameReader(
      connection.kind,
      (head) => this.#onHead(head),
      (size, data, start, end) => this.#onMessage(size, data, start, end),
    );
    this.#socket = connect({
      port: connection.port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer,
        callback: (bytes) => {
          reader.read(buffer.subarray(0, bytes));
          return true;
        },
      },
    });
    this.#socket.on('connect', () => this.#socket.write(requestOf(connection)));
    this.#socket.on('error', (error) => this.#ready.reject(error));
    this.#socket.on('close', () => {
      this.#ready.reject(new Error('the server closed a connection'));
      if (!this.#isClosed) listener.onLost();
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#socket.destroy();
  }

  #onHead(head: string): void {
    const [status = ''] = head.split('\r\n');
    if (!/ (101|200) /.test(status)) this.#ready.reject(new Error(status));
    const { kind, message } = this.#connection;
    if (kind === 'sse') return;
    if (message === undefined) this.#listen();
    else this.#socket.write(masked(message));
  }

  #onMessage(size: number, data: Buffer, start: number, end: number): void {
    const { kind } = this.#connection;
    if (size === ping[kind] && (kind === 'sse' || data.toString('latin1', start, end) === 'PING')) {
      if (kind === 'ws') this.#socket.write(masked('PONG'));
    } else if (this.#isReady) {
      if (this.count < this.times.length) this.times[this.count] = clock();
      this.count++;
      this.#listener.onEvent();
    } else {
      const first = data.toString('utf8', start, end);
      if (/"started"|event: connected/.test(first)) this.#listen();
      else this.#ready.reject(new Error(`the subscription was answered with ${first}`));
    }
  }

  #listen(): void {
    this.#isReady = true;
    this.#ready.resolve();
  }
}

export function requestOf({ kind, path, token }: Connection): string {
  const lines = [`GET ${path} HTTP/1.1`, 'Host: 127.0.0.1', ...(token ? [`Authorization: Bearer ${token}`] : [])];
  if (kind === 'sse') lines.push('Accept: text/event-stream');
  else
    lines.push(
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: cGFybGV5IGJlbmNobWFyaw==',
    );
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** A client's text frame. A mask of zeros leaves the text as it is. */
export function masked(text: string): Buffer {
  const { length } = Buffer.from(text);
  const header = length < 126 ? Buffer.alloc(6) : Buffer.alloc(8);
  header[0] = 0x81;
  header[1] = 0x80 | Math.min(length, 126);
  if (length >= 126) header.writeUInt16BE(length, 2);
  return Buffer.concat([header, Buffer.from(text)]);
}
