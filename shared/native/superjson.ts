import { revive } from '../revive.ts';

export interface SuperJSONResult {
  json: unknown;
  meta?: { values?: unknown; v?: number } | undefined;
}

interface Custom {
  isApplicable(value: unknown): boolean;
  serialize(value: unknown): string;
}

interface Annotation {
  path: readonly string[];
  type: unknown;
}

/**
 * What the contract needs of superjson, by its interface and on its wire: `undefined`, `Date` and the project's bytes. Metro
 * leaves nothing of a package out: package.json puts this in the place of the original for React Native only.
 */
export class SuperJSON {
  readonly #customs: { custom: Custom; name: string }[] = [];

  registerCustom(custom: Custom, name: string): void {
    this.#customs.push({ custom, name });
  }

  serialize(value: unknown): SuperJSONResult {
    const found: Annotation[] = [];
    const json = this.#write(value, [], found);
    const [first] = found;
    if (!first) return { json };
    // An annotation of the value itself is alone, and has no path.
    const values = first.path.length === 0 ? [first.type] : Object.fromEntries(found.map(entry));
    return { json, meta: { values, v: 1 } };
  }

  /** @throws ParleyError INVALID_INPUT for values of other kinds */
  deserialize({ json, meta }: SuperJSONResult): unknown {
    // That two places held the same object is not told to whoever reads.
    return meta?.values === undefined ? json : revive(json, { values: meta.values, v: meta.v });
  }

  #write(value: unknown, path: readonly string[], found: Annotation[]): unknown {
    const annotate = (type: unknown, json: unknown): unknown => {
      found.push({ path, type });
      return json;
    };
    if (value === undefined) return annotate('undefined', null);
    if (value instanceof Date) return annotate('Date', value.toISOString());
    for (const { custom, name } of this.#customs)
      if (custom.isApplicable(value)) return annotate(['custom', name], custom.serialize(value));
    if (Array.isArray(value)) return value.map((child, index) => this.#write(child, [...path, `${index}`], found));
    if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
    const entries = Object.entries(value).map(([key, child]) => [key, this.#write(child, [...path, key], found)]);
    return Object.fromEntries(entries);
  }
}

function entry({ path, type }: Annotation): [string, [unknown]] {
  return [path.map(escaped).join('.'), [type]];
}

function escaped(key: string): string {
  return key.replaceAll('\\', '\\\\').replaceAll('.', '\\.');
}
