import multipart from '@fastify/multipart';
import { failureReason } from '@parley/db/failure';
import type { Owner } from '@parley/db/repository/conversation';
import { limits } from '@parley/shared/limits';
import { ParleyError } from '@parley/shared/reason';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Context } from './context.ts';
import { download } from './download.ts';
import { toTRPCError } from './failure.ts';
import { admit, allow } from './guard.ts';
import { linger } from './linger.ts';
import type { AppRouter } from './router.ts';
import { type CallContext, describeFailure, type Serving } from './transport.ts';
import { upload } from './upload.ts';

/** What else a form may hold beside its file. */
const formLimits = { files: 1, fields: 4, parts: 5, fieldNameSize: 100, fieldSize: 1_000, headerPairs: 20 };

/** Serves `POST /attachments` and `GET /attachments/:id`: files as they come, never whole in memory. */
export async function registerFiles(server: FastifyInstance, serving: Serving<AppRouter>): Promise<void> {
  await server.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    // Counted by the upload itself, which knows what it is counting; one more byte than it takes lets it see the excess.
    await scope.register(multipart, {
      throwFileSizeLimit: false,
      limits: { ...formLimits, fileSize: limits.uploadBytes + 1 },
    });
    // Bodies of other types are left where they are.
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    scope.route({
      method: 'POST',
      url: '/attachments',
      handler: (request, reply) =>
        answer(serving, request, reply, (ctx, owner) => upload(ctx.app.turns, owner, request, reply)),
    });
    scope.route({
      method: ['GET', 'HEAD'],
      url: '/attachments/:id',
      handler: (request, reply) =>
        answer(serving, request, reply, (ctx, owner) => download(ctx.app.turns, owner, request, reply)),
    });
  });
}

/** Calls `work` for a user who may use files, and answers what fails as tRPC would, without superjson around it. */
async function answer(
  serving: Serving<AppRouter>,
  request: FastifyRequest,
  reply: FastifyReply,
  work: (ctx: Context, owner: Owner) => Promise<FastifyReply>,
): Promise<FastifyReply> {
  let ctx: (Context & CallContext) | undefined;
  try {
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort());
    ctx = await serving.createContext({
      req: request.raw,
      transport: 'http',
      connectionParams: null,
      signal: gone.signal,
    });
    const principal = await admit(ctx);
    allow(principal, 'files');
    return await work(ctx, { tenant: principal.tenant, userId: principal.userId });
  } catch (cause) {
    const reason = failureReason(cause);
    const error = toTRPCError(reason === undefined ? cause : new ParleyError(reason, { cause }));
    const shape = describeFailure(serving, error, { type: 'unknown', path: `${request.method} /attachments`, ctx });
    const httpStatus: unknown = Reflect.get(shape.data, 'httpStatus');
    linger(request.raw);
    return reply
      .code(typeof httpStatus === 'number' ? httpStatus : 500)
      .header('cache-control', 'no-store')
      .send({ error: shape });
  }
}
