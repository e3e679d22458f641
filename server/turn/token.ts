import { createRequire } from 'node:module';

/** Counts tokens as the models of the o200k_base vocabulary do; for others it is an estimate. */
export interface TokenCounter {
  count(text: string): number;
  /**
   * As `count`, remembered by what the text is of, since a history is counted again every turn: by an object as long as that
   * lives, by a name while it is among the last few thousand.
   */
  cached(key: object | string, text: string): number;
}

const cacheEntries = 8192;

/** Longest stretches without and of whitespace that are counted in one piece: merging takes quadratic time in them. */
const longRun = /\S{192}|\s{32}/;
const bounded = /[\s\S]*?(?:\S{192}|\s{32})|[\s\S]+/g;

/** Counts with `count`, in pieces of bounded cost, and remembers. A long stretch may count a token more for each piece. */
export function tokenCounter(count: (text: string) => number): TokenCounter {
  const cache = new Map<string, number>();
  const owned = new WeakMap<object, number>();
  const counted = (text: string): number => {
    if (text === '') return 0;
    if (!longRun.test(text)) return count(text);
    let sum = 0;
    for (const [piece] of text.matchAll(bounded)) sum += count(piece);
    return sum;
  };
  return {
    count: counted,
    cached(key, text) {
      if (typeof key === 'object') {
        const tokens = owned.get(key) ?? counted(text);
        owned.set(key, tokens);
        return tokens;
      }
      const known = cache.get(key);
      const tokens = known ?? counted(text);
      // Set again, so that the first key is always the one used least recently.
      if (known !== undefined) cache.delete(key);
      else if (cache.size >= cacheEntries) for (const oldest of cache.keys()) if (cache.delete(oldest)) break;
      cache.set(key, tokens);
      return tokens;
    },
  };
}

interface Vocabulary {
  countTokens(text: string, options: { disallowedSpecial: Set<string> }): number;
  setMergeCacheSize(size: number): void;
}

let vocabulary: Vocabulary | undefined;

function load(): Vocabulary {
  const loaded: Vocabulary = createRequire(import.meta.url)('gpt-tokenizer/encoding/o200k_base');
  // Its own cache keeps the texts that its keys are slices of.
  loaded.setMergeCacheSize(1000);
  return loaded;
}

// What looks like a special token is ordinary text here, whoever wrote it.
const options = { disallowedSpecial: new Set<string>() };

/** The process's counter. Its vocabulary takes 0.1 s and 70 MB, so that it is loaded at the first count, or by `warmTokens`. */
export const o200k: TokenCounter = tokenCounter((text) => {
  vocabulary ??= load();
  return vocabulary.countTokens(text, options);
});

/** Loads the vocabulary now, while nobody waits for it. */
export function warmTokens(): void {
  vocabulary ??= load();
}
