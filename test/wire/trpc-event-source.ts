interface MessageEvent {
  type: string;
  data: string;
  lastEventId: string;
}
type Listener = (event: MessageEvent) => void;

/**
 * An EventSource over fetch, as the HTML standard has it ("server-sent events"): Node has none without a flag. Reconnects at
 * once after a lost connection, with the last id; a status other than 200 closes it.
 */
export class FetchEventSource {
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSED = 2;
  readyState = 0;
  /** Connections made so far by all instances, with the id that each resumed from. */
  static readonly connections: { url: string; lastEventId: string }[] = [];
  readonly #url: string;
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #controller = new AbortController();
  #lastEventId = '';

  constructor(url: string) {
    this.#url = url;
    void this.#run();
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, (this.#listeners.get(type) ?? new Set()).add(listener));
  }

  removeEventListener(type: string, listener: Listener): void {
    this.#listeners.get(type)?.delete(listener);
  }

  close(): void {
    this.readyState = this.CLOSED;
    this.#controller.abort();
  }

  async #run(): Promise<void> {
    while (this.readyState !== this.CLOSED) {
      try {
        await this.#connect();
      } catch {
        // A lost connection: what follows is the same as after its end.
      }
      if (this.readyState !== this.CLOSED) this.readyState = this.CONNECTING;
      if (!this.#controller.signal.aborted) this.#emit('error', '');
    }
  }

  async #connect(): Promise<void> {
    FetchEventSource.connections.push({ url: this.#url, lastEventId: this.#lastEventId });
    const response = await fetch(this.#url, {
      headers: { accept: 'text/event-stream', ...(this.#lastEventId && { 'last-event-id': this.#lastEventId }) },
      signal: this.#controller.signal,
    });
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream');
    if (response.status !== 200 || !isStream || !response.body) {
      this.close();
      this.#emit('error', '');
      return;
    }
    this.readyState = this.OPEN;
    this.#emit('open', '');
    let rest = '';
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      const blocks = (rest + chunk).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) this.#read(block);
    }
  }

  #read(block: string): void {
    let event = 'message';
    const data: string[] = [];
    for (const line of block.split('\n')) {
      const [, name, value = ''] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
      if (name === 'event') event = value;
      else if (name === 'data') data.push(value);
      else if (name === 'id') this.#lastEventId = value;
    }
    if (data.length > 0) this.#emit(event, data.join('\n'));
  }

  #emit(type: string, data: string): void {
    for (const listener of this.#listeners.get(type) ?? []) listener({ type, data, lastEventId: this.#lastEventId });
  }
}
