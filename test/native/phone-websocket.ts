import { WebSocket } from 'ws';

type Emit = (name: string, event: unknown) => void;

/** The native module under React Native's WebSocket, by its interface: text as it is, bytes in base64. */
export class WebSocketModule {
  readonly #sockets = new Map<number, WebSocket>();
  readonly #emit: Emit;
  /** Sockets that have been opened. */
  opened = 0;

  constructor(emit: Emit) {
    this.#emit = emit;
  }

  readonly connect = (url: string, _protocols: unknown, _options: unknown, id: number): void => {
    this.opened++;
    const socket = new WebSocket(url);
    this.#sockets.set(id, socket);
    let hasFailed = false;
    const tell = (name: string, event: object): void => {
      if (this.#sockets.get(id) === socket) this.#emit(name, { id, ...event });
    };
    socket.on('open', () => tell('websocketOpen', { protocol: '' }));
    socket.on('message', (data: Buffer, isBinary) =>
      tell(
        'websocketMessage',
        isBinary ? { type: 'binary', data: data.toString('base64') } : { type: 'text', data: data.toString() },
      ),
    );
    socket.on('error', ({ message }) => {
      hasFailed = true;
      tell('websocketFailed', { message });
      this.#sockets.delete(id);
    });
    socket.on('close', (code, reason) => {
      // A connection that breaks is a failure there, not a close.
      if (code === 1006 && !hasFailed) tell('websocketFailed', { message: 'Socket closed' });
      else if (!hasFailed) tell('websocketClosed', { code, reason: reason.toString() });
      this.#sockets.delete(id);
    });
  };

  readonly send = (text: string, id: number): void => this.#sockets.get(id)?.send(text);
  readonly sendBinary = (base64: string, id: number): void =>
    this.#sockets.get(id)?.send(Buffer.from(base64, 'base64'));
  readonly ping = (id: number): void => this.#sockets.get(id)?.ping();
  readonly close = (code?: number, reason?: string, id?: number): void => {
    if (id !== undefined) this.#sockets.get(id)?.close(code, reason);
    else for (const socket of this.#sockets.values()) socket.terminate();
  };
  readonly addListener = (): void => {};
  readonly removeListeners = (): void => {};

  /** What a phone does to the sockets of an app that sleeps: they are gone, and the app is told nothing, now or later. */
  abandon(): void {
    const sockets = [...this.#sockets.values()];
    this.#sockets.clear();
    for (const socket of sockets) socket.terminate();
  }
}
