import { SuperJSON as Native } from '@parley/shared/native/superjson';
import { revive } from '@parley/shared/revive';
import fc from 'fast-check';
import { SuperJSON } from 'superjson';
import { expect, test } from 'vitest';

const bytes = { isApplicable: (value: unknown) => value instanceof Uint8Array, serialize: () => 'AAAA' };

function both() {
  const original = new SuperJSON();
  original.registerCustom<Uint8Array, string>(
    {
      isApplicable: (value): value is Uint8Array => value instanceof Uint8Array,
      serialize: () => 'AAAA',
      deserialize: () => new Uint8Array(3),
    },
    'bytes',
  );
  const native = new Native();
  native.registerCustom(bytes, 'bytes');
  return { original, native };
}

const leaf = fc.oneof(
  fc.string(),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.constant(undefined),
  fc.date({ noInvalidDate: true }),
  fc.constant(new Uint8Array(3)),
);
const key = fc.string({ maxLength: 6 }).filter((name) => !['__proto__', 'constructor', 'prototype'].includes(name));
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('any'), { maxLength: 4 }),
    fc.dictionary(key, tie('any'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).any;

test('what a phone sends is read as what superjson sends', () => {
  const { original, native } = both();
  fc.assert(
    fc.property(value, (input) => {
      const { json, meta } = structuredClone(native.serialize(input));
      const theirs = structuredClone(original.serialize(input));
      expect(json).toEqual(theirs.json);
      expect(revive(json, meta)).toEqual(input);
    }),
  );
});

test('what superjson sends is read by a phone as it was, also when an object is in two places', () => {
  const { original, native } = both();
  fc.assert(
    fc.property(value, (output) => {
      const sent = JSON.parse(JSON.stringify(original.serialize({ one: output, other: output })));
      expect(native.deserialize(sent)).toEqual({ one: output, other: output });
    }),
  );
});
