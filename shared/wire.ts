import { SuperJSON, type SuperJSONResult } from '#superjson';
import { fromBase64, toBase64 } from './bytes.ts';
import { limits } from './limits.ts';
import { ParleyError } from './reason.ts';
import { revive } from './revive.ts';
import { isStorable } from './storable.ts';

/** The superjson of the JSON transports: bytes are base64 text, marked with the custom type `bytes`. */
export const json = new SuperJSON();
json.registerCustom<Uint8Array, string>(
  {
    isApplicable: (value): value is Uint8Array => value instanceof Uint8Array,
    serialize: toBase64,
    deserialize: (text) => {
      const bytes = fromBase64(text);
      if (!bytes) throw new ParleyError('INVALID_INPUT', { details: { bytes: 'not base64' } });
      return bytes;
    },
  },
  'bytes',
);

/** Keys that superjson refuses to write: what is taken in with one could never be given out again. */
const unsafeKeys: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * Throws when objects and arrays lie more than `most` deep in `value`, a key is unsafe, or a text holds NUL or half a
 * surrogate pair; stops at the first it finds.
 */
function check(value: unknown, most: number): void {
  if (typeof value === 'string' && !isStorable(value)) throw refusal('characters');
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  if (most === 0) throw refusal('too deep');
  if (Array.isArray(value)) for (const child of value) check(child, most - 1);
  else
    for (const [key, child] of Object.entries(value)) {
      if (unsafeKeys.has(key)) throw refusal(`key ${key}`);
      if (!isStorable(key)) throw refusal('characters');
      check(child, most - 1);
    }
}

function refusal(json: string, cause?: unknown): ParleyError {
  return new ParleyError('INVALID_INPUT', { details: { json }, cause });
}

function isResult(value: unknown): value is { json: unknown; meta?: unknown } {
  return typeof value === 'object' && value !== null && 'json' in value;
}

/**
 * Reads what came from outside. Revives `undefined`, `Date` and `bytes` and nothing else: a superjson annotation can name
 * any class, symbol or shared reference, and none of the others is part of the contract. Works in place.
 * @throws ParleyError INVALID_INPUT
 */
export function deserializeInput(value: unknown): unknown {
  if (value === undefined) return undefined;
  if (!isResult(value)) throw refusal('not superjson');
  check(value.json, limits.jsonDepth);
  return revive(value.json, value.meta);
}

/** The transformer of `/trpc` on the server: strict on what comes in. */
export const serverTransformer = {
  input: { serialize: (value: unknown) => json.serialize(value), deserialize: deserializeInput },
  output: {
    serialize: (value: unknown) => json.serialize(value),
    deserialize: (value: SuperJSONResult): unknown => json.deserialize(value),
  },
};

/** The transformer of `/trpc` on a client. */
export const clientTransformer = {
  serialize: (value: unknown) => json.serialize(value),
  deserialize: (value: SuperJSONResult): unknown => json.deserialize(value),
};
