import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export const PORT = 5432;
/** A socket's whole path has room for 103 bytes on macOS and 107 on Linux. */
const SOCKET_PATH_LIMIT = 103;

/**
 * A folder name short enough to connect to the socket in `cluster`: the cluster itself, or a link to it in a private
 * temporary folder. The link is noted in `dataDir`, so that the next start removes what a kill left.
 */
export function socketFolder(dataDir: string, cluster: string): { host: string; forget(): void } {
  const note = path.join(dataDir, 'socket');
  forgetLink(note);
  if (fits(cluster)) return { host: cluster, forget: () => {} };
  const base = [os.tmpdir(), '/tmp'].find((folder) => fits(path.join(folder, 'parley-socket-XXXXXX', 'db'))) ?? '/tmp';
  const folder = fs.mkdtempSync(path.join(base, 'parley-socket-'));
  fs.symlinkSync(folder, note);
  const host = path.join(folder, 'db');
  fs.symlinkSync(cluster, host);
  return { host, forget: () => forgetLink(note) };
}

function fits(folder: string): boolean {
  return Buffer.byteLength(path.join(folder, `.s.PGSQL.${PORT}`)) <= SOCKET_PATH_LIMIT;
}

function forgetLink(note: string): void {
  if (fs.lstatSync(note, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return;
  const folder = fs.readlinkSync(note);
  if (path.basename(folder).startsWith('parley-socket-')) fs.rmSync(folder, { recursive: true, force: true });
  fs.rmSync(note, { force: true });
}
