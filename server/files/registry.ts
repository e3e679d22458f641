import { localStore } from './local.ts';
import type { FileStore } from './port.ts';

export type StorageConfig = { type: 'file'; folder: string } | { type: 's3'; url: string };

/** The store that the configuration names. Touches no storage. */
export async function makeFileStore(config: StorageConfig): Promise<FileStore> {
  if (config.type === 'file') return localStore(config.folder);
  // The SDK is large; only those who use it load it.
  const { s3Store } = await import('./s3.ts');
  return s3Store(config.url);
}
