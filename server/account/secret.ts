import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

const minimumLength = 32;

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

async function read(file: string): Promise<string | undefined> {
  try {
    const secret = (await readFile(file, 'utf8')).trim();
    if (secret.length < minimumLength) throw new Error(`${file} is damaged; without it a new one is made`);
    if (((await stat(file)).mode & 0o077) !== 0) await chmod(file, 0o600);
    return secret;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * The secret of access tokens in the embedded mode: made once, kept in `DATA_DIR/jwt-secret`, readable by its owner only.
 * The server and the command line both call it, also at the same time: the first one's secret is everyone's.
 * @throws Error with one line for people when the file cannot be used
 */
export async function embeddedSecret(dataDir: string): Promise<string> {
  const file = join(dataDir, 'jwt-secret');
  const kept = await read(file);
  if (kept !== undefined) return kept;
  await mkdir(dataDir, { recursive: true });
  const draft = `${file}.${process.pid}.${randomBytes(6).toString('hex')}`;
  try {
    const handle = await open(draft, 'wx', 0o600);
    try {
      await handle.writeFile(`${randomBytes(32).toString('base64url')}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    // A link appears with its whole content and never replaces a file: nobody reads half a secret or loses to a later one.
    await link(draft, file).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error;
    });
  } finally {
    await rm(draft, { force: true });
  }
  const secret = await read(file);
  if (secret === undefined) throw new Error(`${file} cannot be kept`);
  return secret;
}
