import { framesOf } from '@parley/client/connection/frames';
import { decodeFrame, encodeFrame, frameTransformer } from '@parley/shared/frame';
import { limits } from '@parley/shared/limits';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';

const bytes = fc.uint8Array({ maxLength: 40 });
const message = fc.letrec((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small' },
    bytes,
    fc.string({ unit: 'grapheme' }),
    fc.integer(),
    fc.constant(null),
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.dictionary(
      fc.string({ maxLength: 4 }).filter((key) => key !== '__proto__'),
      tie('tree'),
      { maxKeys: 4, noNullPrototype: true },
    ),
  ),
})).tree;

const invalid = expect.objectContaining({ reason: 'INVALID_MESSAGE' });

function frameOf(json: string, ...strings: number[][]): Uint8Array {
  const head = new TextEncoder().encode(json);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, head.length);
  return Uint8Array.from([...length, ...head, ...strings.flat()]);
}

describe('a frame', () => {
  test('gives back any message', () => {
    fc.assert(
      fc.property(message, (message) => {
        expect(decodeFrame(encodeFrame(message))).toStrictEqual(message);
      }),
    );
  });

  test('is text without bytes, else a length, JSON and the bytes, as the contract says', () => {
    expect(encodeFrame({ a: 1 })).toBe('{"a":1}');
    expect(encodeFrame({ a: new Uint8Array([7, 8]), b: [new Uint8Array(0)] })).toEqual(
      frameOf('{"a":{"$bytes":2},"b":[{"$bytes":0}]}', [7, 8]),
    );
    expect(encodeFrame([Buffer.from([9])])).toEqual(frameOf('[{"$bytes":1}]', [9]));
  });

  test('does not copy bytes when it is read, also as a part of a larger buffer', () => {
    const large = Buffer.concat([Buffer.from('xxx'), frameOf('{"a":{"$bytes":2}}', [7, 8])]);
    const frame = large.subarray(3);
    const message = decodeFrame(frame);
    expect(message).toEqual({ a: frame.subarray(-2) });
    frame[frame.length - 1] = 99;
    expect(message).toEqual({ a: Buffer.from([7, 99]) });
  });

  test('cut short anywhere, or longer than it says, is INVALID_MESSAGE', () => {
    fc.assert(
      fc.property(message, bytes, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 5 }), (other, data, cut, more) => {
        const frame = encodeFrame({ other, data });
        if (typeof frame === 'string') throw new Error('a frame with bytes is binary');
        expect(() => decodeFrame(frame.subarray(0, cut % frame.length))).toThrow(invalid);
        expect(() => decodeFrame(Uint8Array.from([...frame, ...more]))).toThrow(invalid);
      }),
    );
  });

  test('of anything at all is a message or INVALID_MESSAGE', () => {
    const valid = fc.tuple(message, bytes).map(([other, data]) => encodeFrame({ other, data }));
    const corrupted = fc.tuple(valid, fc.nat(), fc.nat(255)).map(([frame, at, value]) => {
      if (typeof frame === 'string') return frame;
      const copy = frame.slice();
      copy[at % copy.length] = value;
      return copy;
    });
    fc.assert(
      fc.property(fc.oneof(corrupted, fc.uint8Array(), fc.string()), (frame) => {
        try {
          decodeFrame(frame);
        } catch (error) {
          expect(error).toEqual(invalid);
        }
      }),
      { numRuns: 500 },
    );
  });

  test.each<[string, string | Uint8Array]>([
    ['nothing', ''],
    ['no bytes at all', new Uint8Array(0)],
    ['half a length', Uint8Array.of(0, 0, 0)],
    ['a length of four thousand million', Uint8Array.of(255, 255, 255, 255, 123, 125)],
    ['broken JSON', '{"a":'],
    ['broken JSON in bytes', frameOf('{"a":')],
    ['broken UTF-8', Uint8Array.of(0, 0, 0, 3, 34, 0xff, 34)],
    ['too few bytes', frameOf('{"$bytes":3}', [1, 2])],
    ['too many bytes', frameOf('{"$bytes":1}', [1, 2])],
    ['a negative length', frameOf('[{"$bytes":3},{"$bytes":-1}]', [1, 2])],
    ['half a byte', frameOf('{"$bytes":1.5}', [1, 2])],
    ['a length as text', frameOf('{"$bytes":"1"}', [1])],
    ['a length that is null', frameOf('{"$bytes":null}')],
    ['JSON without an end', frameOf('['.repeat(100_000))],
  ])('of %s is INVALID_MESSAGE', (_name, frame) => {
    expect(() => decodeFrame(frame)).toThrow(invalid);
  });

  test('takes bytes only where an object is nothing else, and never in text', () => {
    expect(decodeFrame(frameOf('{"$bytes":1,"a":2}'))).toEqual({ $bytes: 1, a: 2 });
    expect(decodeFrame('{"$bytes":1}')).toEqual({ $bytes: 1 });
  });

  test('is not made where what a user wrote would be read as bytes', () => {
    const data = new Uint8Array(2);
    expect(encodeFrame({ metadata: { $bytes: 2 } })).toBe('{"metadata":{"$bytes":2}}');
    expect(decodeFrame(encodeFrame({ data, metadata: { $bytes: 2, a: 1 } }))).toEqual({
      data,
      metadata: { $bytes: 2, a: 1 },
    });
    for (const message of [
      { data, metadata: { $bytes: 2 } },
      { metadata: { $bytes: 2 }, data },
    ])
      expect(() => encodeFrame(message)).toThrow(invalid);
  });

  test('leaves prototypes alone', () => {
    const message = decodeFrame(frameOf('{"__proto__":{"a":{"$bytes":1}},"b":{"__proto__":{"$bytes":1}}}', [1, 2]));
    expect(Object.getPrototypeOf(message)).toBe(Object.prototype);
    expect(Object.getOwnPropertyDescriptor(message, '__proto__')?.value).toEqual({ a: Uint8Array.of(1) });
    expect(Object.keys(Object.prototype)).toEqual([]);
  });
});

describe('the transformer of frames', () => {
  test('carries dates and undefined as superjson does, and bytes as they are', () => {
    const data = new Uint8Array([1, 2, 3]);
    const value = { at: new Date(5), nothing: undefined, list: [data, { data }], text: 'x' };
    const frame = encodeFrame(frameTransformer.serialize(value));
    expect(frame).toBeInstanceOf(Uint8Array);
    const message = z.custom<ReturnType<typeof frameTransformer.serialize>>().parse(decodeFrame(frame));
    expect(frameTransformer.deserialize(message)).toEqual(value);
    expect(frameTransformer.serialize({ data }).meta).toBeUndefined();
  });

  test('does not change what it is given', () => {
    const list = [new Uint8Array(1)];
    const value = { list };
    frameTransformer.serialize(value);
    expect(value.list).toBe(list);
    expect(value.list[0]).toBeInstanceOf(Uint8Array);
  });
});

// Guard: neither calls nor bytes pile up in a frame beyond what a server takes.
test('messages that have piled up go in frames that a server takes, in their order', () => {
  const call = (id: number, input: unknown) => ({ id, method: 'mutation', params: { path: 'p', input } });
  const messages = Array.from({ length: 60 }, (_, id) =>
    call(id, id % 20 === 7 ? new Uint8Array(limits.messageBytes) : 'x'.repeat(id < 30 ? 1 : 20_000)),
  );
  const frames = framesOf(messages);
  for (const frame of frames) {
    const read = decodeFrame(frame);
    if (Array.isArray(read)) {
      expect(read.length).toBeLessThanOrEqual(limits.batchCalls);
      expect(Buffer.byteLength(frame)).toBeLessThanOrEqual(limits.messageBytes);
    }
  }
  expect(frames.flatMap((frame) => decodeFrame(frame))).toEqual(messages);
  expect(frames.length).toBeLessThan(20);
});
