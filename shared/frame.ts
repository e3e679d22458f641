import { SuperJSON, type SuperJSONResult } from '#superjson';
import { ParleyError } from './reason.ts';
import { decodeUtf8, encodeUtf8 } from './utf8.ts';

/**
 * The frames of `/trpc/binary`. A message without bytes is a JSON text frame. A message with bytes is one binary frame:
 *
 *     | length N of the JSON, 4 bytes, big-endian | N bytes of UTF-8 JSON | byte string 0 | byte string 1 | …
 *
 * In the JSON each byte string is replaced by `{"$bytes": length}`; the byte strings follow in order of appearance.
 */

/** Carries bytes past superjson, which would copy and annotate a typed array but leaves an instance of a class alone. */
class Bytes {
  readonly data: Uint8Array;
  constructor(data: Uint8Array) {
    this.data = data;
  }
}

const plain = new SuperJSON();

function isPlain(value: object): value is Record<string, unknown> {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function hold(value: unknown): unknown {
  if (value instanceof Uint8Array) return new Bytes(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const copy = value.map(hold);
    return copy.some((child, i) => child !== value[i]) ? copy : value;
  }
  if (!isPlain(value)) return value;
  let copy: Record<string, unknown> | undefined;
  for (const [key, child] of Object.entries(value)) {
    const held = hold(child);
    if (held !== child) {
      copy ??= { ...value };
      copy[key] = held;
    }
  }
  return copy ?? value;
}

/** The transformer that goes with this encoding: superjson for everything but bytes, which stay bytes. */
export const frameTransformer = {
  serialize: (value: unknown): SuperJSONResult => plain.serialize(hold(value)),
  deserialize: (value: SuperJSONResult): unknown => (value.meta ? plain.deserialize(value) : value.json),
};

/**
 * A message as one frame: text when it holds no bytes.
 * @throws ParleyError INVALID_MESSAGE when beside bytes it holds an object that would be read as bytes
 */
export function encodeFrame(message: unknown): string | Uint8Array<ArrayBuffer> {
  const strings: Uint8Array[] = [];
  let mark: object | undefined;
  let isAmbiguous = false;
  const text = JSON.stringify(message, function (this: Record<string, unknown>, key, value: unknown) {
    // `value` has been through toJSON, which a Buffer has.
    const held = this[key];
    const data = held instanceof Bytes ? held.data : held instanceof Uint8Array ? held : undefined;
    if (data) {
      strings.push(data);
      mark = { $bytes: data.length };
      return mark;
    }
    if (key === '$bytes' && this !== mark && Object.keys(this).length === 1) isAmbiguous = true;
    return value;
  });
  if (strings.length === 0) return text;
  if (isAmbiguous) throw new ParleyError('INVALID_MESSAGE');
  const head = encodeUtf8(text);
  const frame = new Uint8Array(strings.reduce((sum, bytes) => sum + bytes.length, 4 + head.length));
  new DataView(frame.buffer).setUint32(0, head.length);
  frame.set(head, 4);
  let at = 4 + head.length;
  for (const bytes of strings) {
    frame.set(bytes, at);
    at += bytes.length;
  }
  return frame;
}

/**
 * The message of one frame. Byte strings are views into the frame, not copies.
 * @throws ParleyError INVALID_MESSAGE when the frame is not well-formed, or its lengths do not add up
 */
export function decodeFrame(frame: string | Uint8Array): unknown {
  try {
    if (typeof frame === 'string') return JSON.parse(frame);
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
    const length = view.getUint32(0);
    let at = 4 + length;
    if (at > frame.length) throw new RangeError('the JSON is longer than the frame');
    const message: unknown = JSON.parse(decodeUtf8(frame.subarray(4, at)));
    const filled = fill(message, (size) => {
      if (at + size > frame.length) throw new RangeError('the bytes are longer than the frame');
      at += size;
      return frame.subarray(at - size, at);
    });
    if (at !== frame.length) throw new RangeError('the frame is longer than its bytes');
    return filled;
  } catch (cause) {
    throw new ParleyError('INVALID_MESSAGE', { cause });
  }
}

function fill(value: unknown, take: (size: number) => Uint8Array): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) value[i] = fill(value[i], take);
    return value;
  }
  if (!isPlain(value)) return value;
  const size = value.$bytes;
  if (size !== undefined && Object.keys(value).length === 1) {
    if (typeof size !== 'number' || !Number.isInteger(size) || size < 0) throw new RangeError('not a length');
    return take(size);
  }
  for (const key of Object.keys(value)) {
    const child = value[key];
    if (typeof child === 'object' && child !== null) {
      // A key such as __proto__ that JSON.parse made an own property must not become an assignment to the prototype.
      Object.defineProperty(value, key, {
        value: fill(child, take),
        writable: true,
        enumerable: true,
        configurable: true,
      });
    }
  }
  return value;
}
