import fs from 'node:fs';
import os from 'node:os';

const IN_MEMORY = '/dev/shm';
/** More than the databases of a run ever take. */
const ROOM_BYTES = 2 ** 30;

/**
 * Where the folder of a database goes that a test throws away: into memory where there is room. It is hundreds of files made and
 * removed, of which ext4 makes heavy work: it looks for an inode that was not given back in the last seconds.
 */
export function quickParent(): string {
  try {
    const { bavail, bsize } = fs.statfsSync(IN_MEMORY);
    fs.accessSync(IN_MEMORY, fs.constants.W_OK);
    if (bavail * bsize >= ROOM_BYTES) return IN_MEMORY;
  } catch {
    // There is none on this machine.
  }
  return os.tmpdir();
}
