import { isRecord } from '../../failure.ts';

/** A value as JSON, its byte strings beside it: where one stood there is `{"$bytes": length}`, as on Parley's binary wire. */
export interface Text {
  text: string;
  bytes: readonly Uint8Array[];
}

export function toText(value: unknown): Text {
  const bytes: Uint8Array[] = [];
  const text = JSON.stringify(
    value,
    (_key, inner: unknown) => {
      if (!(inner instanceof Uint8Array)) return inner;
      bytes.push(inner);
      return { $bytes: inner.length };
    },
    2,
  );
  return { text: text ?? '', bytes };
}

/**
 * The value of a text that was made by `toText` and may have been edited since; `undefined` for an empty one. A `$bytes` takes
 * the next byte string of its length.
 * @throws SyntaxError for people
 */
export function fromText(text: string, bytes: readonly Uint8Array[] = []): unknown {
  if (text.trim() === '') return undefined;
  const left = [...bytes];
  return JSON.parse(text, (_key, inner: unknown) => {
    if (!isRecord(inner) || typeof inner.$bytes !== 'number' || Object.keys(inner).length !== 1) return inner;
    const at = left.findIndex(({ length }) => length === inner.$bytes);
    const [taken] = at < 0 ? [] : left.splice(at, 1);
    if (!taken)
      throw new SyntaxError(`There is no file of ${inner.$bytes} bytes: choose it in the form, or write base64.`);
    return taken;
  });
}

/** What of a text is shown: a browser that lays out more than this stands still. */
export const longest = 200_000;

export function cut(text: string): { shown: string; left: number } {
  return { shown: text.slice(0, longest), left: Math.max(0, text.length - longest) };
}
