import type { Readable } from 'node:stream';

/** The bytes from `start` to `end`, both included, counted from 0. */
export interface ByteRange {
  start: number;
  end: number;
}

/**
 * Where the bytes of files are kept. A key is one that `newKey` made; any other is refused before storage is touched.
 *
 * A file is written once, under a key of its own, and never changed. It can be read by every replica as soon as `write` has
 * resolved.
 */
export interface FileStore {
  /**
   * Writes a whole file, no faster than storage takes it. When it rejects, any part of the file may be there: the caller
   * removes it. An error of `content` ends it; otherwise
   * @throws ParleyError UNAVAILABLE
   */
  write(key: string, content: AsyncIterable<Uint8Array>): Promise<void>;
  /**
   * The bytes of a file, or a part of them. Whoever does not read to the end destroys the stream.
   * @throws FileMissing, ParleyError UNAVAILABLE
   */
  read(key: string, range?: ByteRange): Promise<Readable>;
  /** Removes a file, or nothing when there is none. @throws ParleyError UNAVAILABLE */
  remove(key: string): Promise<void>;
  close(): Promise<void>;
}

/** No such file. */
export class FileMissing extends Error {
  override readonly name = 'FileMissing';
}
