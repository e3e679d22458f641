import { accessSync, constants } from 'node:fs';
import path from 'node:path';

/** Whether there is a program of this name. */
export function isOnPath(name: string): boolean {
  return (process.env.PATH ?? '').split(path.delimiter).some((folder) => {
    try {
      accessSync(path.join(folder, name), constants.X_OK);
      return folder !== '';
    } catch {
      return false;
    }
  });
}
