import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { LocalStorageAdapter } from '@flystorage/local-fs';
import { AdapterStore } from './adapter.ts';
import { type ByteRange, FileMissing, type FileStore } from './port.ts';

/** Files in a folder that only this user may enter. */
export function localStore(folder: string): FileStore {
  // A new one each time: an adapter that once could not make its folder never tries again.
  const adapter = () => new LocalStorageAdapter(folder, { rootDirectoryVisibility: 'private' });
  const path = (key: string) => join(folder, key);
  return new AdapterStore(adapter, {
    writing: { visibility: 'private', directoryVisibility: 'private' },
    // The adapter's own stream has no ranges, and keeps the file open when its reader leaves.
    read: (key, range) => readFrom(path(key), range),
    // What is acknowledged is on the disk.
    async written(key) {
      await sync(path(key));
      await sync(dirname(path(key)));
    },
  });
}

async function readFrom(path: string, range: ByteRange | undefined): Promise<Readable> {
  let handle: FileHandle;
  try {
    handle = await open(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') throw new FileMissing();
    throw error;
  }
  return createReadStream('', { fd: handle, ...range });
}

async function sync(path: string): Promise<void> {
  const handle = await open(path);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
