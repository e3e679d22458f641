import { fromBase64, toBase64 } from '@parley/shared/bytes';
import { limits } from '@parley/shared/limits';
import { deserializeInput, json } from '@parley/shared/wire';
import fc from 'fast-check';
import { SuperJSON } from 'superjson';
import { describe, expect, test } from 'vitest';

const bytes = fc.uint8Array({ maxLength: 64 });
const refused = expect.objectContaining({ reason: 'INVALID_INPUT' });
/** Over the wire and in again. */
const through = (value: unknown) => deserializeInput(JSON.parse(JSON.stringify(json.serialize(value))));
const read = (json: unknown, values: unknown, version: object = { v: 1 }) =>
  deserializeInput(JSON.parse(JSON.stringify({ json, meta: { values, ...version } })));

describe('input', () => {
  test('comes through whole: plain values, undefined, dates and bytes, under any keys', () => {
    const key = fc.oneof(fc.string({ maxLength: 5 }), fc.constantFrom('a.b', 'a\\b', '\\.', '', '0', 'length'));
    const safe = key.filter((key) => !['__proto__', 'constructor', 'prototype'].includes(key));
    const date = fc.date({ noInvalidDate: true });
    const leaf = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.constant(undefined),
      date,
      bytes,
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small' },
        leaf,
        fc.array(tie('tree'), { maxLength: 4 }),
        fc.dictionary(safe, tie('tree'), { maxKeys: 4, noNullPrototype: true }),
      ),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        expect(through(value)).toStrictEqual(value);
      }),
    );
  });

  test('takes what superjson writes of old, without a version', () => {
    expect(read({ 'a.b': null }, { 'a\\.b': ['undefined'] }, {})).toStrictEqual({ 'a.b': undefined });
    expect(read({ 'a\\b': null }, { 'a\\b': ['undefined'] }, {})).toStrictEqual({ 'a\\b': undefined });
    expect(() => read({ 'a\\b': null }, { 'a\\b': ['undefined'] })).toThrow(refused);
  });

  test('may be absent, or without annotations', () => {
    expect(deserializeInput(undefined)).toBeUndefined();
    expect(deserializeInput({ json: { a: 1 } })).toEqual({ a: 1 });
    expect(deserializeInput({ json: 1, meta: {} })).toBe(1);
    expect(read(null, ['undefined'])).toBeUndefined();
    for (const value of [null, 1, 'x', [], {}]) expect(() => deserializeInput(value)).toThrow(refused);
  });

  test.each<[string, unknown]>([
    ['a Map', new Map([[1, 2]])],
    ['a Set', new Set([1])],
    ['a URL', new URL('http://a.example')],
    ['a regular expression', /a+/],
    ['an error', new Error('x')],
    ['a bigint', 1n],
    ['not a number', Number.NaN],
    ['minus zero', -0],
  ])('with %s is refused', (_name, value) => {
    expect(() => through({ value })).toThrow(refused);
    expect(() => through(value)).toThrow(refused);
  });

  test('with a typed array, a class or a symbol is refused', () => {
    const other = new SuperJSON();
    class Thing {}
    other.registerClass(Thing, { identifier: 'Thing' });
    const symbol = Symbol('s');
    other.registerSymbol(symbol, 's');
    for (const value of [new Uint16Array(2), new Thing(), symbol])
      expect(() => deserializeInput(JSON.parse(other.stringify({ value })))).toThrow(refused);
  });

  test('with references to itself is refused', () => {
    const shared = {};
    expect(() => through({ a: shared, b: shared })).toThrow(refused);
    const meta = { referentialEqualities: { a: ['__proto__.x'] } };
    expect(() => deserializeInput({ json: { a: 1 }, meta })).toThrow(refused);
  });

  test.each<[string, unknown, unknown]>([
    ['of an unknown kind', { a: 'x' }, { a: ['nothing'] }],
    ['of another custom type', { a: 'x' }, { a: [['custom', 'other']] }],
    ['with too much in it', { a: 'AA==' }, { a: [['custom', 'bytes', 'x']] }],
    ['within a leaf', { a: {} }, { a: ['Date', { b: ['undefined'] }] }],
    ['that is no tree', { a: 1 }, 'Date'],
    ['that is null', { a: 1 }, { a: null }],
    ['that is empty', { a: 1 }, { a: [] }],
    ['beside the value', { a: 1 }, { b: ['undefined'] }],
    ['below a value', { a: 'x' }, { 'a.length': ['undefined'] }],
    ['on the prototype', {}, { '__proto__.x': ['undefined'] }],
    ['on a method', {}, { 'constructor.prototype.x': ['undefined'] }],
    ['on toString', { a: {} }, { 'a.toString': ['undefined'] }],
    ["beyond an array's end", [1], { 1: ['undefined'] }],
    ['far beyond it', [1], { 4294967294: ['undefined'] }],
    ["on an array's length", [1], { length: ['undefined'] }],
    ['at an odd index', [1], { '00': ['undefined'] }],
    ['of bytes that are none', { a: '*' }, { a: [['custom', 'bytes']] }],
    ['of bytes that are a number', { a: 5 }, { a: [['custom', 'bytes']] }],
    ['of bytes that claim a length', { a: { length: 4e9 } }, { a: [['custom', 'bytes']] }],
    ['of a date that is none', { a: 'soon' }, { a: ['Date'] }],
    ['of a date that is an object', { a: {} }, { a: ['Date'] }],
    ['with a broken path', { a: 1 }, { 'a\\b': ['undefined'] }],
  ])('with an annotation %s is refused', (_name, value, values) => {
    expect(() => read(value, values)).toThrow(refused);
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  test('with an annotation that is nested without end is refused', () => {
    let node: unknown = ['undefined'];
    let value: unknown = null;
    for (let i = 0; i < 40; i++) node = { a: node };
    for (let i = 0; i < 30; i++) value = { a: value };
    expect(() => deserializeInput({ json: value, meta: { values: node, v: 1 } })).toThrow(refused);
  });

  test('is revived in place: what is written is only what was annotated', () => {
    const plain = { json: { a: '1970-01-01T00:00:00.001Z', b: {} }, meta: { values: { a: ['Date'] }, v: 1 } };
    const { b } = plain.json;
    const revived = deserializeInput(plain);
    expect(revived).toEqual({ a: new Date(1), b: {} });
    expect(Object.values(revived ?? {})[1]).toBe(b);
  });

  test.each(['__proto__', 'constructor', 'prototype'])(
    'with the key %s, which no answer could carry, is refused',
    (key) => {
      expect(() => deserializeInput(JSON.parse(`{"json":{"metadata":[{"${key}":1}]}}`))).toThrow(refused);
    },
  );

  test(`is at most ${limits.jsonDepth} deep`, () => {
    const nested = (depth: number): unknown =>
      depth === 0 ? 1 : depth % 2 ? [nested(depth - 1)] : { a: nested(depth - 1) };
    expect(deserializeInput({ json: nested(limits.jsonDepth) })).toEqual(nested(limits.jsonDepth));
    expect(() => deserializeInput({ json: nested(limits.jsonDepth + 1) })).toThrow(refused);
    let deep = '';
    for (let i = 0; i < 20_000; i++) deep += '[';
    expect(() => deserializeInput({ json: JSON.parse(deep + ']'.repeat(20_000)) })).toThrow(refused);
  });
});

describe('bytes', () => {
  test('are base64 text, marked as bytes', () => {
    expect(json.serialize({ data: new Uint8Array([255, 254]) })).toEqual({
      json: { data: '//4=' },
      meta: { values: { data: [['custom', 'bytes']] }, v: 1 },
    });
  });

  test('come back from base64 and base64url, padded or not, with the engine and without', () => {
    fc.assert(
      fc.property(bytes, fc.boolean(), (bytes, isNative) => {
        const buffer = Buffer.from(bytes);
        if (!isNative) Object.defineProperty(bytes, 'toBase64', { value: undefined });
        const text = toBase64(bytes);
        expect(text).toBe(buffer.toString('base64'));
        const expected = new Uint8Array(buffer);
        expect(fromBase64(text)).toEqual(expected);
        expect(fromBase64(text.replace(/=+$/, ''))).toEqual(expected);
        expect(fromBase64(buffer.toString('base64url'))).toEqual(expected);
        expect(withoutNative(() => fromBase64(text))).toEqual(expected);
      }),
    );
  });

  test.each([
    'A',
    'AAAAA',
    'AA=',
    '=',
    '==',
    'A===',
    'AAA==',
    'AAAA=',
    '=AAA',
    'AA A',
    ' AAAA',
    'AAAA\n',
    'AA*A',
    'AAAé',
    'AAA字',
  ])('are not in %j', (text) => {
    expect(fromBase64(text)).toBeUndefined();
    expect(withoutNative(() => fromBase64(text))).toBeUndefined();
  });
});

function withoutNative<T>(run: () => T): T {
  const native = Object.getOwnPropertyDescriptor(Uint8Array, 'fromBase64');
  if (native) Object.defineProperty(Uint8Array, 'fromBase64', { ...native, value: undefined });
  try {
    return run();
  } finally {
    if (native) Object.defineProperty(Uint8Array, 'fromBase64', native);
  }
}
