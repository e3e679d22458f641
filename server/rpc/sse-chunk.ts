import { isTrackedEnvelope } from '@trpc/server';
import type { Encoded } from '../live/encode.ts';
import { TickCache } from './tick-cache.ts';

/** One server-sent event, ready for the socket: as it stands, and as a chunk of a chunked HTTP/1.1 body. */
export interface Chunk {
  readonly plain: Buffer;
  readonly chunked: Buffer;
}

/** Fields in the order of tRPC's own producer, which also ends every event with two empty lines. */
export function chunkOf(fields: { event?: string; data: string; id?: string | undefined }): Chunk {
  const { event, data, id } = fields;
  const text = `${event === undefined ? '' : `event: ${event}\n`}data: ${data}\n${id === undefined ? '' : `id: ${id}\n`}\n\n`;
  const plain = Buffer.from(text);
  return { plain, chunked: Buffer.concat([Buffer.from(`${plain.length.toString(16)}\r\n`), plain, crlf]) };
}

const crlf = Buffer.from('\r\n');

export const pingChunk = chunkOf({ event: 'ping', data: '' });
export const returnChunk = chunkOf({ event: 'return', data: '' });

const cache = new TickCache<Encoded, { id: string; chunk: Chunk }>();

/** A pushed event, the same buffers for all its subscribers. */
export function eventChunk(event: Encoded, id: string): Chunk {
  const known = cache.get(event);
  if (known?.id === id) return known.chunk;
  const chunk = chunkOf({ data: `{"json":${event.text}}`, id });
  cache.set(event, { id, chunk });
  return chunk;
}

/** Values of a plain iterable, tracked or not, as tRPC's own producer writes them. */
export class Chunks {
  #last: string | undefined;

  /** `last`: the id that the client's EventSource holds. */
  constructor(last: string | undefined) {
    this.#last = last && !/[\0\n\r]/.test(last) ? last : undefined;
  }

  of(value: unknown, encode: (data: unknown) => string): Chunk[] {
    if (isTrackedEnvelope(value)) {
      this.#last = value[0];
      return [chunkOf({ data: encode(value[1]), id: value[0] })];
    }
    const data = encode(value);
    if (this.#last === undefined) return [chunkOf({ data })];
    // An event without an id would take the last one's: it is cleared for this event, and then set back.
    return [chunkOf({ data, id: '' }), chunkOf({ event: 'restore-id', data: '', id: this.#last })];
  }
}
