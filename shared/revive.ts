import { fromBase64 } from './bytes.ts';
import { limits } from './limits.ts';
import { ParleyError } from './reason.ts';

type Holder = Record<string, unknown> | unknown[];

function refusal(): ParleyError {
  return new ParleyError('INVALID_INPUT', { details: { json: 'annotation' } });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

/**
 * Applies superjson's annotations to the JSON they came with, in place, as superjson would, but for three kinds of values only, and only to
 * what is there: superjson itself would follow a path to an index of four thousand million and make the array that long.
 * @throws ParleyError INVALID_INPUT when an annotation is of another kind, or out of place
 */
export function revive(json: unknown, meta: unknown): unknown {
  if (meta === undefined || meta === null) return json;
  if (!isObject(meta) || meta.referentialEqualities !== undefined) throw refusal();
  if (meta.values === undefined) return json;
  const root = { json };
  annotate(root, 'json', meta.values, meta.v === undefined || meta.v === 0, 0);
  return root.json;
}

/** A node of the annotations: `[type]` for the value itself, or `{ path: node }` for what lies in it. */
function annotate(holder: Holder, key: string, node: unknown, isLegacy: boolean, depth: number): void {
  if (depth > limits.jsonDepth) throw refusal();
  if (Array.isArray(node)) {
    // The three kinds have nothing in them that could be annotated in turn.
    if (node.length !== 1) throw refusal();
    write(holder, key, revived(read(holder, key), node[0]));
    return;
  }
  if (!isObject(node)) throw refusal();
  for (const [path, child] of Object.entries(node)) {
    let inner = holder;
    let last = key;
    for (const segment of segments(path, isLegacy)) {
      const value = read(inner, last);
      if (!Array.isArray(value) && !isObject(value)) throw refusal();
      inner = value;
      last = segment;
    }
    read(inner, last);
    annotate(inner, last, child, isLegacy, depth + 1);
  }
}

function read(holder: Holder, key: string): unknown {
  if (!Array.isArray(holder)) {
    if (!Object.hasOwn(holder, key)) throw refusal();
    return holder[key];
  }
  if (!/^(?:0|[1-9]\d{0,9})$/.test(key) || Number(key) >= holder.length) throw refusal();
  return holder[Number(key)];
}

function write(holder: Holder, key: string, value: unknown): void {
  if (Array.isArray(holder)) holder[Number(key)] = value;
  else holder[key] = value;
}

function revived(value: unknown, type: unknown): unknown {
  if (type === 'undefined') return undefined;
  if (typeof value !== 'string') throw refusal();
  if (type === 'Date') {
    const date = new Date(value);
    if (Number.isNaN(date.getTime())) throw refusal();
    return date;
  }
  if (!Array.isArray(type) || type.length !== 2 || type[0] !== 'custom' || type[1] !== 'bytes') throw refusal();
  const bytes = fromBase64(value);
  if (!bytes) throw new ParleyError('INVALID_INPUT', { details: { bytes: 'not base64' } });
  return bytes;
}

/** The keys of a path: separated by dots, a dot within a key escaped, and in version 1 the backslash too. */
function segments(path: string, isLegacy: boolean): string[] {
  const keys: string[] = [];
  let key = '';
  for (let i = 0; i < path.length; i++) {
    const char = path.charAt(i);
    const next = path.charAt(i + 1);
    if (char === '.') {
      keys.push(key);
      key = '';
    } else if (char === '\\' && (next === '.' || (next === '\\' && !isLegacy))) {
      key += next;
      i++;
    } else if (char === '\\' && !isLegacy) throw refusal();
    else key += char;
  }
  keys.push(key);
  return keys;
}
