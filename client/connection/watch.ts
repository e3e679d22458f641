/** How long a connection may take to open, in milliseconds. */
const openMs = 20_000;
/** How long a server may take to answer when it matters now, in milliseconds. */
const probeMs = 2_000;

interface Watched {
  state: 'open' | 'closed' | 'connecting';
  ws: WebSocket;
}

/**
 * Finds out when a WebSocket is dead and nothing says so: a network that swallows everything, a machine that slept. Asking
 * it to close is no help then, since it would wait for the other side to answer.
 */
export class Watch {
  readonly #heartbeatMs: number;
  readonly #onDead: (why: string) => void;
  #timer: ReturnType<typeof setInterval> | undefined;
  #ws: WebSocket | undefined;
  /** When the socket was first seen in its state, when something came, and when it was asked and has not answered yet. */
  #since = 0;
  #state: Watched['state'] | undefined;
  #heard = 0;
  #asked: number | undefined;
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
      if (now - this.#asked >= this.#heartbeatMs / 2) this.#onDead('The server has gone silent.');
    } else if (now - this.#heard >= this.#heartbeatMs) {
      this.#asked = now;
      ws.send('PING');
    }
  }
}
