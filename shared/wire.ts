import { SuperJSON, type SuperJSONResult } from 'superjson';
import { fromBase64, toBase64 } from './bytes.ts';
import { limits } from './limits.ts';
import { ParleyError } from './reason.ts';

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

const bytesType = 'custom';
const isRevived = (type: unknown): boolean =>
  type === 'undefined' || type === 'Date' || (Array.isArray(type) && type[0] === bytesType && type[1] === 'bytes');

/** superjson's annotation tree: a leaf is `[type]`, an inner node `{ key: node }` or `[type, { key: node }]`. */
function onlyRevived(node: unknown, depth: number): boolean {
  if (depth > limits.jsonDepth) return false;
  if (Array.isArray(node)) {
    if (node.length === 1) return isRevived(node[0]);
    return node.length === 2 && isRevived(node[0]) && onlyRevived(node[1], depth + 1);
  }
  if (typeof node !== 'object' || node === null) return false;
  return Object.values(node).every((child) => onlyRevived(child, depth + 1));
}

/** True when no object or array in `value` lies deeper than `most`; stops looking as soon as one does. */
export function isShallow(value: unknown, most: number): boolean {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return true;
  if (most === 0) return false;
  for (const child of Object.values(value)) if (!isShallow(child, most - 1)) return false;
  return true;
}

function isResult(value: unknown): value is SuperJSONResult {
  return typeof value === 'object' && value !== null && 'json' in value;
}

/**
 * Reads what came from outside. Revives `undefined`, `Date` and `bytes` and nothing else: a superjson annotation can name
 * any class, symbol or shared reference, and none of the others is part of the contract.
 * @throws ParleyError INVALID_INPUT
 */
export function deserializeInput(value: unknown): unknown {
  if (value === undefined) return undefined;
  if (!isShallow(value, limits.jsonDepth + 2))
    throw new ParleyError('INVALID_INPUT', { details: { json: 'too deep' } });
  if (!isResult(value)) throw new ParleyError('INVALID_INPUT', { details: { json: 'not superjson' } });
  const { meta } = value;
  if (meta === undefined || meta === null) return value.json;
  if (typeof meta !== 'object' || ('referentialEqualities' in meta && meta.referentialEqualities !== undefined))
    throw new ParleyError('INVALID_INPUT', { details: { json: 'annotation' } });
  if (meta.values !== undefined && !onlyRevived(meta.values, 0))
    throw new ParleyError('INVALID_INPUT', { details: { json: 'annotation' } });
  try {
    return json.deserialize(value);
  } catch (cause) {
    if (cause instanceof ParleyError) throw cause;
    throw new ParleyError('INVALID_INPUT', { details: { json: 'annotation' }, cause });
  }
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
