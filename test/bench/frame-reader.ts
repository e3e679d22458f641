/** Told each message that a server sent; `data` from `start` to `end` when it lies in one piece, else only its size. */
export type OnMessage = (size: number, data: Buffer, start: number, end: number) => void;

/**
 * Finds the messages in what a server sends, and looks at nothing else: WebSocket frames (RFC 6455, unfragmented), or the
 * chunks of a chunked HTTP body, which are events here. The response's head is skipped first.
 */
export class FrameReader {
  readonly #kind: 'ws' | 'sse';
  readonly #onHead: (head: string) => void;
  readonly #onMessage: OnMessage;
  #held = Buffer.alloc(0);
  #inHead = true;
  /** Bytes that are still to come of a message that began in an earlier piece, and its size. */
  #left = 0;
  #size = 0;

  constructor(kind: 'ws' | 'sse', onHead: (head: string) => void, onMessage: OnMessage) {
    this.#kind = kind;
    this.#onHead = onHead;
    this.#onMessage = onMessage;
  }

  read(piece: Buffer): void {
    const data = this.#held.length > 0 ? Buffer.concat([this.#held, piece]) : piece;
    let at = 0;
    if (this.#inHead) {
      const end = data.indexOf('\r\n\r\n');
      if (end < 0) {
        this.#hold(data, 0);
        return;
      }
      this.#inHead = false;
      this.#onHead(data.toString('latin1', 0, end));
      at = end + 4;
    }
    if (this.#left > 0) {
      const some = Math.min(this.#left, data.length - at);
      this.#left -= some;
      at += some;
      if (this.#left === 0) this.#onMessage(this.#size, data, 0, 0);
    }
    while (at < data.length) {
      const body = this.#kind === 'ws' ? this.#frame(data, at) : this.#chunk(data, at);
      if (body < 0) {
        this.#hold(data, at);
        return;
      }
      const end = body + this.#left;
      if (end > data.length) {
        this.#left = end - data.length;
        break;
      }
      this.#left = 0;
      at = end;
      this.#onMessage(this.#size, data, body, body + this.#size);
    }
    if (this.#held.length > 0) this.#held = Buffer.alloc(0);
  }

  #hold(data: Buffer, at: number): void {
    // A copy: the buffer that pieces come in is used again.
    this.#held = Buffer.from(data.subarray(at));
  }

  /** Where the payload begins, or -1; `left` and `size` are set. */
  #frame(data: Buffer, at: number): number {
    const length = (data[at + 1] ?? 127) & 127;
    const header = length < 126 ? 2 : length === 126 ? 4 : 10;
    if (data.length < at + header) return -1;
    this.#size = length < 126 ? length : length === 126 ? data.readUInt16BE(at + 2) : data.readUInt32BE(at + 6);
    this.#left = this.#size;
    return at + header;
  }

  #chunk(data: Buffer, at: number): number {
    const end = data.indexOf(13, at);
    if (end < 0 || end + 2 > data.length) return -1;
    this.#size = Number.parseInt(data.toString('latin1', at, end), 16);
    this.#left = this.#size + 2;
    return end + 2;
  }
}
