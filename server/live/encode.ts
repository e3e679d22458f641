import { toBase64 } from '@parley/shared/bytes';
import type { Event } from '@parley/shared/event';

/**
 * An event, encoded once for all its subscribers: JSON with `{"$bytes": length}` in place of bytes for the binary transport
 * and the log, JSON with base64 for the others. Bytes are kept by reference.
 */
export class Encoded {
  /** Also one that only a newer build of the server knows. */
  readonly type: string;
  /** JSON with `{"$bytes": length}` for each byte string. */
  readonly head: string;
  readonly bytes: readonly Uint8Array[];
  #text: string | undefined;
  #event: Event | undefined;

  private constructor(type: string, head: string, bytes: readonly Uint8Array[], event: Event | undefined) {
    this.type = type;
    this.head = head;
    this.bytes = bytes;
    this.#event = event;
  }

  static of(event: Event): Encoded {
    if (event.type !== 'agent.audio') return new Encoded(event.type, JSON.stringify(event), [], event);
    const { data, ...rest } = event;
    return new Encoded(event.type, JSON.stringify({ ...rest, data: { $bytes: data.length } }), [data], event);
  }

  /** From the log. `type` is known to the log's own framing, so that an event is parsed only where one is needed. */
  static stored(type: string, head: string, bytes: readonly Uint8Array[]): Encoded {
    return new Encoded(type, head, bytes, undefined);
  }

  /** JSON with bytes as base64 text. Only `agent.audio` has bytes, in `data`. */
  get text(): string {
    if (this.#text === undefined) {
      const [data] = this.bytes;
      this.#text = data ? this.head.replace(`{"$bytes":${data.length}}`, () => `"${toBase64(data)}"`) : this.head;
    }
    return this.#text;
  }

  get event(): Event {
    if (this.#event === undefined) {
      const event: Event = JSON.parse(this.head);
      if (event.type === 'agent.audio' && this.bytes[0]) event.data = this.bytes[0];
      this.#event = event;
    }
    return this.#event;
  }

  /** Bytes that it takes on the way to a client, about. */
  get size(): number {
    let size = this.head.length;
    for (const bytes of this.bytes) size += bytes.length;
    return size;
  }
}
