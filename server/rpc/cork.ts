import type { Socket } from 'node:net';

let tick = 0;
let isScheduled = false;
const corked: Socket[] = [];

function endTick(): void {
  isScheduled = false;
  tick++;
  for (const socket of corked) socket.uncork();
  corked.length = 0;
}

/**
 * Gathers what is written to one socket within one tick. The first write goes out at once, since waiting for the end of the
 * tick costs latency and most ticks have one event; only when a second one follows the socket is corked until the tick ends.
 */
export class Cork {
  readonly #socket: Socket;
  #writtenIn = -1;
  #corkedIn = -1;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** To be called before each write. */
  beforeWrite(): void {
    if (!isScheduled) {
      isScheduled = true;
      process.nextTick(endTick);
    }
    if (this.#writtenIn !== tick) {
      this.#writtenIn = tick;
    } else if (this.#corkedIn !== tick) {
      this.#corkedIn = tick;
      corked.push(this.#socket);
      this.#socket.cork();
    }
  }
}
