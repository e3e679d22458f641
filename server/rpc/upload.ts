import type { Multipart } from '@fastify/multipart';
import { toAttachment } from '@parley/db/repository/attachment';
import type { Owner } from '@parley/db/repository/conversation';
import { idSchema } from '@parley/shared/id-schema';
import { limits } from '@parley/shared/limits';
import { ParleyError } from '@parley/shared/reason';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { attach, discard, type FilePorts, type Written, writeFile } from '../files/keep.ts';

/** Bytes that a form has around its file, at most. */
const formBytes = 64 * 1024;

/**
 * `POST /attachments`: a form with one file, of any field name, and perhaps an `id` that makes it idempotent. Answers with the
 * attachment.
 * @throws ParleyError INVALID_INPUT (no file, an empty one, a second one, an id that is none), INVALID_MESSAGE (no proper form, or
 * it broke off), PAYLOAD_TOO_LARGE, IDEMPOTENCY_CONFLICT, NOT_FOUND (the id is somebody else's), UNAVAILABLE
 */
export async function upload(
  ports: FilePorts,
  owner: Owner,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  if (!request.isMultipart()) throw invalid('expected as multipart/form-data');
  if (Number(request.headers['content-length'] ?? 0) > limits.uploadBytes + formBytes)
    throw new ParleyError('PAYLOAD_TOO_LARGE', { details: { most: limits.uploadBytes } });
  let written: Written | undefined;
  try {
    let filename = '';
    let id: string | undefined;
    for await (const part of partsOf(request)) {
      if (part.type === 'file') {
        written = await writeFile(ports, owner, part.file, limits.uploadBytes);
        filename = part.filename ?? '';
      } else if (part.fieldname === 'id') {
        const parsed = idSchema.safeParse(part.value);
        if (!parsed.success) throw new ParleyError('INVALID_INPUT', { details: { id: 'not a UUID' } });
        id = parsed.data;
      }
    }
    if (!written) throw invalid('missing');
    const file = written;
    written = undefined;
    return reply.header('cache-control', 'no-store').send(toAttachment(await attach(ports, file, { id, filename })));
  } finally {
    if (written) await discard(ports, written.key);
  }
}

function invalid(file: string): ParleyError {
  return new ParleyError('INVALID_INPUT', { details: { file } });
}

/** The parts of a form; what is wrong with the form itself is INVALID_MESSAGE, too many parts INVALID_INPUT. */
async function* partsOf(request: FastifyRequest): AsyncGenerator<Multipart> {
  try {
    yield* request.parts();
  } catch (cause) {
    const code: unknown = Reflect.get(Object(cause), 'code');
    const tooMany = code === 'FST_FILES_LIMIT' || code === 'FST_FIELDS_LIMIT' || code === 'FST_PARTS_LIMIT';
    throw tooMany ? invalid('one, and nothing else but an id') : new ParleyError('INVALID_MESSAGE', { cause });
  }
}
