import type { Db } from '@parley/db/connect';
import { failureReason } from '@parley/db/failure';
import { type AttachmentRow, announceFile, forgetFile, insertAttachment } from '@parley/db/repository/attachment';
import type { Owner } from '@parley/db/repository/conversation';
import { newId } from '@parley/shared/id';
import { ParleyError } from '@parley/shared/reason';
import { cleanFilename } from './filename.ts';
import { newKey } from './key.ts';
import { Meter } from './meter.ts';
import type { FileStore } from './port.ts';
import { kindOf } from './sniff.ts';

/** Where files are kept, and where it is known whose they are. */
export interface FilePorts {
  files: FileStore;
  db: Db;
}

/** A file in storage that is nobody's attachment yet. */
export interface Written {
  owner: Owner;
  key: string;
  size: number;
  sha256: Buffer;
  mediaType: string;
}

/**
 * Writes a file as it comes, in a few chunks of memory. When it fails nothing of it stays.
 * @throws ParleyError PAYLOAD_TOO_LARGE (over `most` bytes), INVALID_INPUT (empty), INVALID_MESSAGE (it broke off), UNAVAILABLE
 */
export async function writeFile(
  ports: FilePorts,
  owner: Owner,
  content: AsyncIterable<Uint8Array>,
  most: number,
): Promise<Written> {
  const key = newKey(owner);
  const meter = new Meter(most);
  await withReason(announceFile(ports.db, key));
  try {
    await ports.files.write(key, meter.pass(content));
    if (meter.size === 0) throw new ParleyError('INVALID_INPUT', { details: { file: 'empty' } });
    return { owner, key, size: meter.size, sha256: meter.sha256(), mediaType: meter.mediaType() };
  } catch (error) {
    await discard(ports, key);
    throw meter.failure ?? error;
  }
}

/**
 * Makes a written file its owner's attachment. The same id with the same file and name again gives the first one.
 * @throws ParleyError IDEMPOTENCY_CONFLICT, NOT_FOUND (the id is somebody else's, or the conversation is gone), UNAVAILABLE
 */
export async function attach(
  ports: FilePorts,
  written: Written,
  { id = newId(), filename, conversationId = null }: AttachOptions,
): Promise<AttachmentRow> {
  try {
    const { row, duplicate } = await withReason(
      insertAttachment(ports.db, {
        ...written,
        id,
        conversationId,
        filename: cleanFilename(filename),
        kind: kindOf(written.mediaType),
      }),
    );
    if (duplicate) await discard(ports, written.key);
    return row;
  } catch (error) {
    // A commit whose answer was lost may have gone through: that file is left to the sweep, which knows.
    if (!(error instanceof ParleyError && error.reason === 'UNAVAILABLE')) await discard(ports, written.key);
    throw error;
  }
}

export interface AttachOptions {
  id?: string | undefined;
  filename: string;
  conversationId?: string | null;
}

/** Removes a file that is nobody's. What cannot be removed now the sweep removes later. */
export async function discard({ files, db }: FilePorts, key: string): Promise<void> {
  try {
    await files.remove(key);
    await forgetFile(db, key);
  } catch {
    // It stays announced.
  }
}

async function withReason<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const reason = failureReason(error);
    throw reason === undefined ? error : new ParleyError(reason, { cause: error });
  }
}
