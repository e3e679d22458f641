import { z } from 'zod';
import { idSchema } from './id-schema.ts';
import { limits } from './limits.ts';
import type { AttachmentKind } from './message.ts';
import { bytesInput } from './voice.ts';

/** A file that a user uploaded or the agent made. What it is was read from its bytes, not from its name. */
export interface Attachment {
  id: string;
  filename: string;
  mediaType: string;
  /** Bytes. */
  size: number;
  /** Hex. */
  sha256: string;
  /** Where its bytes are, as a path on this server; reading them needs a credential. */
  url: string;
  kind: AttachmentKind;
}

export function attachmentUrl(id: string): string {
  return `/attachments/${id}`;
}

/** Which attachment; `id` is another name of the same field. */
export const attachmentInput = z.union([
  z.object({ attachmentId: idSchema }),
  z.object({ id: idSchema }).transform(({ id }) => ({ attachmentId: id })),
]);

/** A file in a message. Larger ones, up to 25 MB, go to `POST /attachments`. */
export const uploadInput = z.object({
  /** Makes the upload idempotent. */
  id: idSchema.optional(),
  filename: z.string().max(1_000).default(''),
  data: bytesInput(limits.audioMessageBytes),
});
