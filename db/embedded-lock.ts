import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DataFolderInUse, EmbeddedUnavailable } from './embedded-failure.ts';

const SQLITE_BUSY = 5;

/**
 * Holds `folder` for this process alone until `release()` or the process's end, however it ends.
 *
 * Node has no flock. An exclusive SQLite transaction is a kernel lock on the open file, so it needs no process ids (which
 * are reused), leaves nothing stale behind a SIGKILL, and holds between containers that share the folder.
 *
 * Throws `DataFolderInUse` when another holder lives, `EmbeddedUnavailable` when the folder cannot be written.
 */
export function holdFolder(folder: string): { release(): void } {
  let file: DatabaseSync | undefined;
  try {
    file = new DatabaseSync(path.join(folder, 'lock'), { timeout: 0 });
    // In memory, so that no journal is left in the folder.
    file.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    file?.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY)
      throw new DataFolderInUse(folder);
    throw new EmbeddedUnavailable(`the data folder ${folder} cannot be written: ${messageOf(error)}; set DATA_DIR`);
  }
  const held = file;
  return { release: () => held.isOpen && held.close() };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
