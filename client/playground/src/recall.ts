import { isRecord } from '../../failure.ts';

/** Ids that calls have shown, by the name of the field that takes them, newest first. */
export type Known = Readonly<Record<string, readonly string[]>>;

/** How many ids of a name are kept. */
const kept = 12;
const deepest = 4;
const longestId = 200;

/** The ids in what a procedure took or gave: `conversationId`, and the `id` of a thing that is named after the procedure. */
export function idsIn(path: string, value: unknown): [name: string, id: string][] {
  const [noun = '', verb] = path.split('.');
  const own = `${noun.replace(/s$/, '')}Id`;
  const found: [string, string][] = [];
  const add = (name: string, id: unknown): void => {
    if (typeof id === 'string' && id !== '' && id.length <= longestId) found.push([name, id]);
  };
  const walk = (node: unknown, depth: number): void => {
    if (depth > deepest || found.length >= kept) return;
    if (Array.isArray(node)) for (const item of node.slice(0, kept)) walk(item, depth + 1);
    else if (isRecord(node) && !(node instanceof Uint8Array)) {
      for (const [name, inner] of Object.entries(node)) {
        if (/^[a-z]\w*Id$/.test(name)) add(name, inner);
        else walk(inner, depth + 1);
      }
    }
  };
  if (isRecord(value)) {
    add(own, value.id);
    // A page of the things themselves, not of what is in one of them.
    if (verb === 'list' && Array.isArray(value.items))
      for (const item of value.items.slice(0, kept)) if (isRecord(item)) add(own, item.id);
  }
  walk(value, 0);
  return found;
}

/** What is known after these have been seen; what comes first in `found` is the newest. */
export function remember(known: Known, found: readonly (readonly [name: string, id: string])[]): Known {
  const next: Record<string, readonly string[]> = { ...known };
  for (const [name, id] of found.toReversed()) {
    const others = (next[name] ?? []).filter((each) => each !== id);
    next[name] = [id, ...others].slice(0, kept);
  }
  return next;
}
