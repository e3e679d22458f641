import { eventSchema } from '@parley/shared/event';
import { Encoded } from './encode.ts';
import type { Batch, Position } from './port.ts';

/**
 * A batch as it lies in Redis:
 *
 *     | format 1, 1 byte | events, 4 bytes | per event: type's length, byte strings, 1 byte each; type; length of the JSON
 *     and of each byte string, 4 bytes | per event: JSON | byte strings |
 *
 * Numbers are big-endian. So a replica passes an event on without parsing it. Published, a line of text goes before it.
 */
const format = 1;

/** One string a type, however many events have it. */
const types = new Map<string, string>(eventSchema.options.map(({ shape }) => [shape.type.value, shape.type.value]));

export function encodeEvents(events: readonly Encoded[]): Buffer {
  let size = 5;
  const sizes = events.map((event) => Buffer.byteLength(event.head));
  for (const [i, { type, bytes }] of events.entries()) {
    size += 2 + type.length + 4 + (sizes[i] ?? 0);
    for (const { length } of bytes) size += 4 + length;
  }
  const out = Buffer.allocUnsafe(size);
  let at = out.writeUInt32BE(events.length, out.writeUInt8(format, 0));
  for (const [i, { type, bytes }] of events.entries()) {
    at = out.writeUInt8(bytes.length, out.writeUInt8(type.length, at));
    at += out.write(type, at, 'latin1');
    at = out.writeUInt32BE(sizes[i] ?? 0, at);
    for (const { length } of bytes) at = out.writeUInt32BE(length, at);
  }
  for (const { head, bytes } of events) {
    at += out.write(head, at);
    for (const part of bytes) {
      out.set(part, at);
      at += part.length;
    }
  }
  return out;
}

/** @throws Error when another build of the server wrote it in a way that this one does not know. */
export function decodeEvents(data: Buffer): Encoded[] {
  if (data.length === 0) return [];
  if (data[0] !== format) throw new Error(`unknown format ${data[0]} in the event log`);
  const count = data.readUInt32BE(1);
  const frames: { type: string; sizes: number[] }[] = [];
  let at = 5;
  for (let i = 0; i < count; i++) {
    const typeLength = data.readUInt8(at);
    const parts = data.readUInt8(at + 1);
    at += 2;
    // One that only a newer build knows is passed on as it is.
    const name = data.toString('latin1', at, at + typeLength);
    const type = types.get(name) ?? name;
    at += typeLength;
    const sizes: number[] = [];
    for (let part = 0; part <= parts; part++, at += 4) sizes.push(data.readUInt32BE(at));
    frames.push({ type, sizes });
  }
  return frames.map(({ type, sizes: [head = 0, ...parts] }) => {
    const json = data.toString('utf8', at, at + head);
    at += head;
    const bytes = parts.map((length) => {
      at += length;
      return data.subarray(at - length, at);
    });
    return Encoded.stored(type, json, bytes);
  });
}

const newline = 10;

export interface Published {
  /** Who appended it. */
  origin: string;
  batch: Batch;
}

/** Reads `<origin> <epoch> <first> [<epoch it follows> <seq it follows>]`, a newline and a batch, if any. */
export function parsePublished(message: Buffer, skip: string): Published | undefined {
  const end = message.indexOf(newline);
  const [origin = '', epoch, first, followsEpoch, followsSeq] = message.toString('latin1', 0, end).split(' ');
  if (origin === skip) return undefined;
  const batch: Batch = { epoch: Number(epoch), first: Number(first), events: decodeEvents(message.subarray(end + 1)) };
  if (followsEpoch) batch.follows = { epoch: Number(followsEpoch), seq: Number(followsSeq) };
  return { origin, batch };
}

export function positionText(position: Position | undefined): string {
  return position ? `${position.epoch} ${position.seq}` : '';
}

/**
 * What the running turn has said, as records that can be appended to: `<bubble> <bytes of the JSON> <JSON>`.
 */
export function recordsOf(events: readonly Encoded[]): string {
  let records = '';
  for (const encoded of events) {
    if (encoded.type !== 'agent.delta') continue;
    const { event } = encoded;
    if (event.type === 'agent.delta') records += record(event.bubble, event.text);
  }
  return records;
}

export function recordsOfBubbles(bubbles: readonly string[]): string {
  return bubbles.map((text, bubble) => record(bubble, text)).join('');
}

export function parseRecords(records: Buffer): string[] {
  const bubbles: string[] = [];
  for (let at = 0; at < records.length; ) {
    const space = records.indexOf(' ', at);
    const second = records.indexOf(' ', space + 1);
    const bubble = Number(records.toString('latin1', at, space));
    at = second + 1 + Number(records.toString('latin1', space + 1, second));
    while (bubbles.length <= bubble) bubbles.push('');
    bubbles[bubble] += JSON.parse(records.toString('utf8', second + 1, at));
  }
  return bubbles;
}

function record(bubble: number, text: string): string {
  // As JSON, which also holds half of a surrogate pair whose other half comes with the next delta.
  const json = JSON.stringify(text);
  return `${bubble} ${Buffer.byteLength(json)} ${json}`;
}
