import { Readable } from 'node:stream';
import { FileWasNotFound, type StorageAdapter, type WriteOptions } from '@flystorage/file-storage';
import { ParleyError } from '@parley/shared/reason';
import { isKey } from './key.ts';
import { type ByteRange, FileMissing, type FileStore } from './port.ts';

/** What a kind of storage does otherwise than its adapter. */
export interface AdapterOptions {
  /** Of every write. */
  writing?: WriteOptions;
  read?(key: string, range: ByteRange | undefined): Promise<Readable>;
  /** Called when a file has been written. */
  written?(key: string): Promise<void>;
  close?(): void;
}

/** A store on one of Flystorage's adapters. */
export class AdapterStore implements FileStore {
  readonly #adapter: () => StorageAdapter;
  readonly #options: AdapterOptions;

  /** @param adapter Asked for at each operation. */
  constructor(adapter: () => StorageAdapter, options: AdapterOptions = {}) {
    this.#adapter = adapter;
    this.#options = options;
  }

  async write(key: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    await reach(key, async () => {
      await this.#adapter().write(key, Readable.from(content, { objectMode: false }), {
        ...this.#options.writing,
        // Without one the adapter would guess from the bytes.
        mimeType: 'application/octet-stream',
      });
      await this.#options.written?.(key);
    });
  }

  async read(key: string, range?: ByteRange): Promise<Readable> {
    return await reach(key, async () => {
      if (this.#options.read) return await this.#options.read(key, range);
      const contents = await this.#adapter().read(key, {});
      const stream = contents instanceof Readable ? contents : Readable.from(contents);
      return range ? Readable.from(part(stream, range), { objectMode: false }) : stream;
    });
  }

  async remove(key: string): Promise<void> {
    await reach(key, () => this.#adapter().deleteFile(key, {}));
  }

  async close(): Promise<void> {
    this.#options.close?.();
  }
}

async function reach<T>(key: string, work: () => Promise<T>): Promise<T> {
  if (!isKey(key)) throw new ParleyError('INTERNAL', { cause: new Error('not a key') });
  try {
    return await work();
  } catch (error) {
    if (error instanceof FileMissing || error instanceof ParleyError) throw error;
    if (error instanceof FileWasNotFound) throw new FileMissing();
    throw new ParleyError('UNAVAILABLE', { cause: error });
  }
}

/** The bytes of a range, out of a stream that begins at 0. */
async function* part(stream: Readable, { start, end }: ByteRange): AsyncGenerator<Buffer> {
  let at = 0;
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk);
    const wanted = bytes.subarray(Math.max(0, start - at), Math.max(0, end + 1 - at));
    at += bytes.length;
    if (wanted.length > 0) yield wanted;
    if (at > end) return;
  }
}
