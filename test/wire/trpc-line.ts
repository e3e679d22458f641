import { decodeFrame } from '@parley/shared/frame';
import { WebSocket } from 'ws';

/** A message as it came, read. */
export type Message = Record<string, unknown> & { id?: unknown };

/** A client that speaks in raw frames, and waits for what it is told rather than for time. */
export class Line {
  /** Frames in the order in which they came: JSON as text, binary frames as bytes. */
  readonly frames: (string | Buffer)[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly ws: WebSocket;
  #isClosed = false;
  #watchers = new Set<() => void>();

  private constructor(ws: WebSocket) {
    this.ws = ws;
    ws.on('message', (data, isBinary) => {
      if (!Buffer.isBuffer(data)) return;
      this.frames.push(isBinary ? data : data.toString('utf8'));
      this.#wake();
    });
    ws.on('error', () => {});
    this.closed = new Promise((resolve) => {
      ws.on('close', (code, reason) => {
        this.#isClosed = true;
        resolve({ code, reason: reason.toString() });
        this.#wake();
      });
    });
  }

  static async open(url: string, options: { origin?: string; params?: Record<string, string> } = {}): Promise<Line> {
    const { origin, params } = options;
    const ws = new WebSocket(url + (params ? '?connectionParams=1' : ''), origin === undefined ? {} : { origin });
    const line = new Line(ws);
    await new Promise<void>((resolve, reject) => {
      ws.once('open', () => resolve());
      ws.once('error', reject);
    });
    if (params) line.send({ method: 'connectionParams', data: params });
    return line;
  }

  get messages(): Message[] {
    return this.frames.filter((frame) => frame !== 'PING' && frame !== 'PONG').map(read);
  }

  /** Messages for one request. */
  of(id: unknown): Message[] {
    return this.messages.filter((message) => message.id === id);
  }

  /** What an error for `id` says, `reason` first of all. */
  failure(id: unknown): { reason?: unknown; code?: unknown; details?: unknown } | undefined {
    for (const { error } of this.of(id)) {
      if (typeof error !== 'object' || error === null || !('json' in error)) continue;
      const { json } = error;
      if (typeof json === 'object' && json !== null && 'data' in json && typeof json.data === 'object')
        return json.data ?? undefined;
    }
    return undefined;
  }

  send(message: unknown): void {
    this.ws.send(typeof message === 'string' || message instanceof Uint8Array ? message : JSON.stringify(message));
  }

  call(id: number | string, method: string, path: string, input?: unknown): void {
    this.send({ id, method, params: { path, ...(input === undefined ? undefined : { input: { json: input } }) } });
  }

  /** Resolves when `isDone` holds; asked at every frame. */
  async until(isDone: (line: Line) => boolean): Promise<void> {
    while (!isDone(this)) {
      if (this.#isClosed) throw new Error(`closed after ${JSON.stringify(this.frames.map(String))}`);
      await new Promise<void>((resolve) => this.#watchers.add(resolve));
    }
  }

  /** A message for `id` has come. */
  async answered(...ids: unknown[]): Promise<void> {
    await this.until((line) => ids.every((id) => line.of(id).length > 0));
  }

  async close(): Promise<void> {
    this.ws.close();
    await this.closed;
  }

  #wake(): void {
    const watchers = this.#watchers;
    this.#watchers = new Set();
    for (const watcher of watchers) watcher();
  }
}

function read(frame: string | Buffer): Message {
  const message = decodeFrame(frame);
  return typeof message === 'object' && message !== null ? { ...message } : {};
}
