import { createHash } from 'node:crypto';
import { ParleyError } from '@parley/shared/reason';
import { headBytes, isMarkup, sniff, unknownType } from './sniff.ts';

/** Looks at a file as it passes: counts it, hashes it, and tells what it is. Holds no more than its first bytes. */
export class Meter {
  /** Bytes so far. */
  size = 0;
  /** Why it was refused, or could not be read to its end. */
  failure: ParleyError | undefined;
  readonly #most: number;
  readonly #hash = createHash('sha256');
  #head = Buffer.alloc(0);
  #text: TextDecoder | undefined = new TextDecoder('utf-8', { fatal: true });

  /** @param most Bytes that the file may have. */
  constructor(most: number) {
    this.#most = most;
  }

  /** The same bytes. Ends with PAYLOAD_TOO_LARGE as soon as they are too many, INVALID_MESSAGE when they break off. */
  async *pass(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of content) {
        if (chunk.length === 0) continue;
        this.#look(chunk);
        yield chunk;
      }
    } catch (cause) {
      this.failure ??= cause instanceof ParleyError ? cause : new ParleyError('INVALID_MESSAGE', { cause });
      throw this.failure;
    }
  }

  /** The digest of all that has passed. Once only. */
  sha256(): Buffer {
    return this.#hash.digest();
  }

  /** What all that has passed is. */
  mediaType(): string {
    const type = sniff(this.#head);
    if (type !== undefined) return type;
    return this.#isText() && !isMarkup(this.#head) ? 'text/plain' : unknownType;
  }

  #look(chunk: Uint8Array): void {
    this.size += chunk.length;
    if (this.size > this.#most) throw new ParleyError('PAYLOAD_TOO_LARGE', { details: { most: this.#most } });
    this.#hash.update(chunk);
    const missing = headBytes - this.#head.length;
    if (missing > 0) this.#head = Buffer.concat([this.#head, chunk.subarray(0, missing)]);
    this.#read(chunk);
  }

  /** Text is what is UTF-8 to its last byte and has no control characters but those that lay it out. */
  #read(chunk: Uint8Array): void {
    try {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
      if (/[\0-\x08\x0e-\x1a\x1c-\x1f]/.test(this.#text?.decode(chunk, { stream: true }) ?? '')) this.#text = undefined;
    } catch {
      this.#text = undefined;
    }
  }

  #isText(): boolean {
    try {
      this.#text?.decode();
      return this.#text !== undefined;
    } catch {
      return false;
    }
  }
}
