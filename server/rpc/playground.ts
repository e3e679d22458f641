import type { AnyTRPCRouter } from '@trpc/server';
import type { FastifyInstance } from 'fastify';
import type { Json } from './openapi-error.ts';
import { type ProcedureSchemas, schemasOf } from './procedure.ts';

/** A procedure as the playground shows it. Schemas are JSON Schema; what is bytes has `contentEncoding: 'base64'`. */
export interface PlaygroundProcedure {
  /** As a client names it: `turns.send`. */
  path: string;
  type: ProcedureSchemas['type'];
  input: Json | null;
  output: Json | null;
}

/** What `GET /playground/procedures` answers with. */
export interface PlaygroundProcedures {
  version: string;
  procedures: PlaygroundProcedure[];
}

/** Every procedure of a router, with the schemas that check its calls. */
export function describeProcedures(router: AnyTRPCRouter): PlaygroundProcedure[] {
  return Object.entries(router._def.procedures).flatMap(([path, procedure]) => {
    const schemas = schemasOf(procedure);
    if (!schemas) return [];
    const { type, input = null, output = null } = schemas;
    return [{ path, type, input, output }];
  });
}

/** The file of the playground among those of the console. */
export const playgroundPage = 'playground.html';

/**
 * Serves `/playground`, a page to call every procedure by hand, and what it reads. The page is no way around anything: it
 * calls with the credential that it is given.
 */
export function registerPlayground(server: FastifyInstance, router: AnyTRPCRouter, version: string): void {
  const answer: PlaygroundProcedures = { version, procedures: describeProcedures(router) };
  const body = JSON.stringify(answer);
  server.get('/playground/procedures', (_request, reply) =>
    reply.header('cache-control', 'no-cache').type('application/json').send(body),
  );
  server.get('/playground', (_request, reply) => {
    if (server.hasReplyDecorator('sendFile')) return reply.sendFile(playgroundPage);
    return reply.code(404).type('text/plain').send('The pages are not built here: npm start builds them.\n');
  });
}
