import { toAttachment } from '@parley/db/repository/attachment';
import { type Attachment, uploadInput } from '@parley/shared/attachment';
import { idSchema } from '@parley/shared/id-schema';
import { limits } from '@parley/shared/limits';
import { ParleyError } from '@parley/shared/reason';
import { bytesInput } from '@parley/shared/voice';
import { TRPCError } from '@trpc/server';
import { z } from 'zod';
import { attach, writeFile } from '../../files/keep.ts';
import { files } from '../guard.ts';

interface Upload {
  id?: string | undefined;
  filename: string;
  content: AsyncIterable<Uint8Array>;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** The body of a request, which tRPC breaks off where it becomes too large. */
async function* whole(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* stream;
  } catch (cause) {
    const isTooLarge = cause instanceof TRPCError && cause.code === 'PAYLOAD_TOO_LARGE';
    throw isTooLarge
      ? new ParleyError('PAYLOAD_TOO_LARGE', { details: { most: limits.audioMessageBytes }, cause })
      : cause;
  }
}

/** A `File`, a `Blob` or bytes as stock links send them over HTTP: the body itself. */
const body = z.custom<Blob | ReadableStream<Uint8Array>>(
  (value) => value instanceof Blob || value instanceof ReadableStream,
);

const form = z
  .custom<FormData>((value) => value instanceof FormData)
  .transform((fields, context) => {
    const sent = [...fields.values()].filter((value) => value instanceof File);
    const [file] = sent;
    const id = idSchema.optional().safeParse(fields.get('id') ?? undefined);
    if (!file || sent.length > 1) context.addIssue({ code: 'custom', message: 'one file is needed' });
    else if (!id.success) context.addIssue({ code: 'custom', path: ['id'], message: 'not a UUID' });
    else return { id: id.data, filename: file.name, content: file.stream() };
    return z.NEVER;
  });

/** A file with its name, its bytes alone, or a form; each becomes a name and a stream. */
const input = z.union([
  form,
  body.transform(
    (sent): Upload => ({
      filename: sent instanceof File ? sent.name : '',
      content: whole(sent instanceof Blob ? sent.stream() : sent),
    }),
  ),
  bytesInput(limits.audioMessageBytes).transform((bytes): Upload => ({ filename: '', content: once(bytes) })),
  uploadInput.transform(({ data, ...rest }): Upload => ({ ...rest, content: once(data) })),
]);

/** A small file within a message. Large ones go to `POST /attachments`, which takes more and keeps nothing in memory. */
export const upload = files.input(input).mutation(async ({ ctx, input: { content, ...rest } }): Promise<Attachment> => {
  const ports = ctx.app.turns;
  const written = await writeFile(ports, ctx.owner, content, limits.uploadBytes);
  return toAttachment(await attach(ports, written, rest));
});
