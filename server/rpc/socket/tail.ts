import type { Encoded } from '../../live/encode.ts';
import { TickCache } from '../tick-cache.ts';

/**
 * The part of a subscription's data message that is the same for all its subscribers: everything behind the request id. Made
 * once an event; tRPC's own field order, so that it equals what the stock adapter sends.
 */
export interface Tail {
  readonly json: Buffer;
  /** Byte strings that follow the JSON in a binary frame; none in a text frame. */
  readonly bytes: readonly Uint8Array[];
  readonly byteLength: number;
  /** The frame for the head that was asked for last, kept once it has been asked for twice. */
  shared: { head: string; frame: Frame | undefined } | undefined;
}

/** Buffers that are one WebSocket frame, in order. */
export type Frame = readonly [Buffer, ...Uint8Array[]];

interface Tails {
  id: string;
  text: Tail | undefined;
  frame: Tail | undefined;
}

const cache = new TickCache<Encoded, Tails>();
const none: readonly Uint8Array[] = [];

/** `binary`: bytes as bytes, else as base64 text within the JSON. */
export function tailOf(event: Encoded, id: string, binary: boolean): Tail {
  let tails = cache.get(event);
  if (!tails || tails.id !== id) {
    tails = { id, text: undefined, frame: undefined };
    cache.set(event, tails);
  }
  if (binary && event.bytes.length > 0) {
    tails.frame ??= make(id, event.head, event.bytes);
    return tails.frame;
  }
  tails.text ??= make(id, event.text, none);
  return tails.text;
}

function make(id: string, event: string, bytes: readonly Uint8Array[]): Tail {
  const key = JSON.stringify(id);
  const json = Buffer.from(`,"result":{"type":"data","data":{"json":{"id":${key},"data":${event}}},"id":${key}}}`);
  let byteLength = 0;
  for (const part of bytes) byteLength += part.length;
  return { json, bytes, byteLength, shared: undefined };
}
