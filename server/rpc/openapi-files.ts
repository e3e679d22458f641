import { limits } from '@parley/shared/limits';
import { attachmentKind } from '@parley/shared/message';
import { errorSchema, type Json } from './openapi-error.ts';

const binary: Json = { type: 'string', format: 'binary' };
const security = [{ bearer: [] }];
const tags = ['attachments'];

const failures = (...statuses: number[]): Json =>
  Object.fromEntries(
    [...statuses, 'default'].map((status) => [
      status,
      {
        description: 'An error. `error.data.reason` says which of the closed list.',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/FileFailure' } } },
      },
    ]),
  );

export const fileSchemas: Json = {
  Attachment: {
    type: 'object',
    required: ['id', 'filename', 'mediaType', 'size', 'sha256', 'url', 'kind'],
    properties: {
      id: { type: 'string', format: 'uuid' },
      filename: { type: 'string' },
      mediaType: { type: 'string', description: 'Read from the bytes, not from the name' },
      size: { type: 'integer', description: 'Bytes' },
      sha256: { type: 'string', description: 'Hex' },
      url: { type: 'string', description: 'A path on this server' },
      kind: { enum: attachmentKind.options },
    },
  },
  FileFailure: { type: 'object', required: ['error'], properties: { error: errorSchema } },
};

const whole: Json = { content: { '*/*': { schema: binary } } };

/** The routes of files, which are no procedures. */
export const filePaths: Json = {
  '/attachments': {
    post: {
      operationId: 'attachments.post',
      tags,
      security,
      description: `Uploads one file of at most ${limits.uploadBytes} bytes.`,
      requestBody: {
        required: true,
        content: {
          'multipart/form-data': {
            schema: {
              type: 'object',
              required: ['file'],
              properties: {
                id: { type: 'string', format: 'uuid', description: 'Makes the upload idempotent' },
                file: binary,
              },
            },
          },
        },
      },
      responses: {
        200: {
          description: 'The attachment',
          content: { 'application/json': { schema: { $ref: '#/components/schemas/Attachment' } } },
        },
        ...failures(400, 401, 403, 409, 413),
      },
    },
  },
  '/attachments/{id}': {
    get: {
      operationId: 'attachments.download',
      tags,
      security,
      parameters: [
        { name: 'id', in: 'path', required: true, schema: { type: 'string', format: 'uuid' } },
        { name: 'Range', in: 'header', description: 'One range of bytes', schema: { type: 'string' } },
        { name: 'If-None-Match', in: 'header', schema: { type: 'string' } },
      ],
      responses: {
        200: { description: 'The file', ...whole },
        206: { description: 'A part of it', ...whole },
        304: { description: 'The one that the caller has' },
        416: { description: 'There is no such part' },
        ...failures(401, 403, 404),
      },
    },
  },
};
