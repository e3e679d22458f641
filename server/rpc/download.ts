import { type AttachmentRow, getAttachment } from '@parley/db/repository/attachment';
import type { Owner } from '@parley/db/repository/conversation';
import { idSchema } from '@parley/shared/id-schema';
import { ParleyError } from '@parley/shared/reason';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FilePorts } from '../files/keep.ts';
import { FileMissing } from '../files/port.ts';
import { rangeOf } from './range.ts';

/** Milliseconds without a byte after which a reader is taken for gone. */
const stalledMs = 60_000;

/**
 * `GET /attachments/:id`: the bytes, whole or one range of them.
 * @throws ParleyError NOT_FOUND, which names the id; also for somebody else's
 */
export async function download(
  ports: FilePorts,
  owner: Owner,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const row = await getAttachment(ports.db, owner, idOf(request));
  const tag = `"${row.sha256.toString('hex')}"`;
  // Asked for again each time, so that it is gone when it is deleted; then most answers are 304.
  reply.headers({ etag: tag, 'cache-control': 'private, no-cache', 'accept-ranges': 'bytes' });
  const { 'if-none-match': known, 'if-range': ifRange } = request.headers;
  if (known !== undefined && matches(known, tag)) return reply.code(304).send();
  const range = ifRange === undefined || ifRange === tag ? rangeOf(request.headers.range, row.size) : undefined;
  if (range === 'unsatisfiable')
    return reply.code(416).header('content-range', `bytes */${row.size}`).header('content-length', 0).send();
  const stream = request.method === 'HEAD' ? undefined : await open(ports, owner, row, range);
  if (range) reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${row.size}`);
  reply.headers({
    'content-type': row.media_type === 'text/plain' ? 'text/plain; charset=utf-8' : row.media_type,
    'content-length': range ? range.end - range.start + 1 : row.size,
    'content-disposition': disposition(row),
    'x-content-type-options': 'nosniff',
    // Whatever a browser makes of it, it runs nothing and belongs to no origin.
    'content-security-policy': "sandbox; default-src 'none'",
    'access-control-expose-headers': 'content-disposition, content-range, etag',
  });
  reply.raw.setTimeout(stalledMs, () => reply.raw.destroy());
  return reply.send(stream);
}

function idOf(request: FastifyRequest): string {
  const given: unknown = Reflect.get(Object(request.params), 'id');
  const id = idSchema.safeParse(given);
  if (!id.success) throw new ParleyError('NOT_FOUND', { details: { attachmentId: String(given).slice(0, 100) } });
  return id.data;
}

async function open(
  ports: FilePorts,
  owner: Owner,
  row: AttachmentRow,
  range: { start: number; end: number } | undefined,
) {
  try {
    return await ports.files.read(row.storage_key, range);
  } catch (error) {
    if (!(error instanceof FileMissing)) throw error;
    // Erased since its row was read; a row without its file is a storage that is not whole now.
    await getAttachment(ports.db, owner, row.id);
    throw new ParleyError('UNAVAILABLE', { cause: error });
  }
}

/** RFC 9110, section 13.1.2: a list of tags, compared without regard to weakness. */
function matches(header: string, tag: string): boolean {
  return header.split(',').some((each) => each.trim() === '*' || each.trim().replace(/^W\//, '') === tag);
}

/** RFC 6266: a name in ASCII for the oldest readers, the true one in UTF-8 (RFC 8187) for all others. */
function disposition({ kind, filename }: AttachmentRow): string {
  const ascii = filename.replace(/[^\x20-\x7e]|["\\%]/g, '_');
  const utf8 = encodeURIComponent(filename).replace(
    /['()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  const type = kind === 'image' || kind === 'audio' ? 'inline' : 'attachment';
  return `${type}; filename="${ascii}"; filename*=UTF-8''${utf8}`;
}
