/** How long a connection may take to open, in milliseconds. */
const openMs = 20_000;
/** How long a server may take to answer when it matters now, in milliseconds. */
const probeMs = 2_000;
/** The slowest link that is worth waiting for, in bytes a millisecond, and how long it is waited for at most. */
const slowest = 16;
const mostBusyMs = 60_000;

interface Watched {
  state: 'open' | 'closed' | 'connecting';
  ws: Pick<WebSocket, 'send' | 'bufferedAmount' | 'addEventListener' | 'removeEventListener'>;
}

/**
 * Finds out when a WebSocket is dead and nothing says so: a network that swallows everything, a machine that slept. Asking
 * it to close is no help then, since it would wait for the other side to answer. An answer comes behind all that is being sent:
 * while that may be on its way, silence says nothing.
 */
export class Watch {
  readonly #heartbeatMs: number;
  readonly #onDead: (why: string) => void;
  #timer: ReturnType<typeof setInterval> | undefined;
  #ws: Watched['ws'] | undefined;
  /** When the socket was first seen in its state, when something came, and when it was asked and has not answered yet. */
  #since = 0;
  #state: Watched['state'] | undefined;
  #heard = 0;
  #asked: number | undefined;
  /** By when all that was sent has gone, and what the socket still had of it at the last look. */
  #busyUntil = 0;
  #left = 0;
  #probe: ReturnType<typeof setTimeout> | undefined;
  #answered = false;

  constructor(heartbeatMs: number, onDead: (why: string) => void) {
    this.#heartbeatMs = heartbeatMs;
    this.#onDead = onDead;
  }

  start(connection: () => Watched | null): void {
    this.#timer = setInterval(() => this.#look(connection(), Date.now()), this.#heartbeatMs / 4);
  }

  stop(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#probe);
    this.#ws?.removeEventListener('message', this.#onMessage);
    this.#ws = undefined;
  }

  /** Something of this many bytes goes out. */
  sent(bytes: number): void {
    const now = Date.now();
    this.#busyUntil = Math.min(Math.max(now, this.#busyUntil) + bytes / slowest, now + mostBusyMs);
  }

  /** The app was asleep, or the network is another: asks at once, and does not wait long. */
  probe(connection: Watched | null): void {
    const now = Date.now();
    this.#look(connection, now);
    clearTimeout(this.#probe);
    if (connection?.state === 'connecting') return;
    if (connection?.state !== 'open') {
      this.#onDead('The connection is made anew.');
      return;
    }
    connection.ws.send('PING');
    this.#answered = false;
    this.#probe = setTimeout(() => {
      if (!this.#answered) this.#onDead('The server has gone silent.');
    }, probeMs);
  }

  readonly #onMessage = (): void => {
    this.#heard = Date.now();
    this.#asked = undefined;
    this.#answered = true;
  };

  #look(connection: Watched | null, now: number): void {
    if (!connection) return;
    const { ws, state } = connection;
    if (ws !== this.#ws || state !== this.#state) {
      this.#ws?.removeEventListener('message', this.#onMessage);
      this.#ws = ws;
      this.#state = state;
      this.#since = now;
      this.#heard = now;
      this.#asked = undefined;
      ws.addEventListener('message', this.#onMessage);
    }
    if (state !== 'open') {
      if (now - this.#since >= openMs) this.#onDead(`The connection has been ${state} for too long.`);
    } else if (this.#asked !== undefined) {
      // Some sockets say how far they have come; where they do not, it is reckoned.
      if (ws.bufferedAmount < this.#left || now < this.#busyUntil) this.#asked = now;
      else if (now - this.#asked >= this.#heartbeatMs / 2) this.#onDead('The server has gone silent.');
      this.#left = ws.bufferedAmount;
    } else if (now - this.#heard >= this.#heartbeatMs) {
      this.#asked = now;
      ws.send('PING');
      this.#left = ws.bufferedAmount;
    }
  }
}
