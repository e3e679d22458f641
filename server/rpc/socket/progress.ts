import type { Socket } from 'node:net';

/**
 * Whether bytes move between us and a client that says nothing: its answer to a PING is behind all that it sends, and the
 * PING behind all that it has not taken yet.
 */
export class Progress {
  readonly #socket: Socket;
  #read = 0;
  #taken = 0;
  #hasWaiting = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Whether something has come, or something that waited been taken, since this was asked last. */
  look(): boolean {
    const { bytesRead } = this.#socket;
    const taken = takenOf(this.#socket);
    // What goes out while nothing waits has only reached the system's buffer: nobody may be there to take it.
    const hasMoved = bytesRead > this.#read || (this.#hasWaiting && taken > this.#taken);
    this.#read = bytesRead;
    this.#taken = taken;
    this.#hasWaiting = this.#socket.writableLength > 0;
    return hasMoved;
  }
}

/**
 * Bytes that the system has taken from us. A long reply is one write, which a socket counts as waiting until its last byte is
 * gone; how far it has come is what Node reads for its own timeouts, and tells nobody else. Where it does not, a write counts
 * as a whole.
 */
function takenOf(socket: Socket): number {
  const handle = Object(Reflect.get(socket, '_handle'));
  const given: unknown = Reflect.get(handle, 'bytesWritten');
  const left: unknown = Reflect.get(handle, 'writeQueueSize');
  if (typeof given === 'number' && typeof left === 'number') return given - left;
  return (socket.bytesWritten ?? 0) - socket.writableLength;
}
