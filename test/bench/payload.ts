import { Encoded } from '@parley/server/live/encode';
import { eventId } from '@parley/server/live/id';
import { tailOf } from '@parley/server/rpc/socket/tail';
import type { Event } from '@parley/shared/event';

const base = {
  conversationId: '0195d8a4-7c3e-7b1a-9f52-3c1d2e4f5a6b',
  turnId: '0195d8a4-7c3e-7b1a-9f52-3c1d2e4f5a6c',
  at: 1_750_000_000_000,
};

/** A word of a model's answer. */
export const delta: Event = { type: 'agent.delta', ...base, text: ' conversation', bubble: 0 };

/** A third of a second of speech: 16 KB. */
export const audio: Event = {
  type: 'agent.audio',
  ...base,
  sentence: 0,
  chunk: 0,
  format: 'pcm',
  sampleRate: 24_000,
  data: Uint8Array.from({ length: 16_384 }, (_, i) => (i * 7919) & 255),
  last: false,
};

/** The bytes that a subscriber of the JSON transport gets for an event: what a raw relay sends for the same purpose. */
export function messageOf(event: Event): Buffer {
  const tail = tailOf(Encoded.of(event), eventId(base.at, 1), false);
  return Buffer.concat([Buffer.from('{"id":1'), tail.json]);
}
