import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

const folder = join(import.meta.dirname, '../fixture');

/** A file of test/fixture; unpacked when its name ends in `.gz`. */
export function clip(name: string): Uint8Array<ArrayBuffer> {
  const bytes = readFileSync(join(folder, name));
  return new Uint8Array(name.endsWith('.gz') ? gunzipSync(bytes) : bytes);
}

/** The ten sentences, with their words. */
export const clips: readonly { file: string; text: string }[] = JSON.parse(
  readFileSync(join(folder, 'clips.json'), 'utf8'),
);

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[a-z']+/g) ?? [];
}

/** How many words were said, and how many of them are missing, wrong or too many in what was heard (Levenshtein). */
export function wordErrors(said: string, heard: string): { words: number; errors: number } {
  const [expected, found] = [wordsOf(said), wordsOf(heard)];
  let row = Array.from({ length: found.length + 1 }, (_, index) => index);
  for (const [index, word] of expected.entries()) {
    const next = [index + 1];
    for (const [at, other] of found.entries()) {
      const changed = (row[at] ?? 0) + (word === other ? 0 : 1);
      next.push(Math.min(changed, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1));
    }
    row = next;
  }
  return { words: expected.length, errors: row.at(-1) ?? 0 };
}
