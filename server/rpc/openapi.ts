import type { AnyTRPCRouter } from '@trpc/server';
import { errorSchema, type Json } from './openapi-error.ts';
import { filePaths, fileSchemas } from './openapi-files.ts';
import { type ProcedureSchemas, schemasOf } from './procedure.ts';

const superjson = (schema: Json): Json => ({
  type: 'object',
  required: ['json'],
  properties: { json: schema, meta: { type: 'object', description: 'superjson annotations' } },
});

const failure: Json = {
  description: 'An error. `error.json.data.reason` says which of the closed list.',
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Failure' } } },
};

const failureSchema: Json = {
  type: 'object',
  required: ['error'],
  properties: { error: superjson(errorSchema) },
};

/** A schema whose own definitions, such as that of any JSON, are moved to the document's, under names that begin with `path`. */
function hoist({ $defs, $schema: _dialect, ...schema }: Json, path: string, schemas: Json): Json {
  const moved = (part: unknown): Json =>
    JSON.parse(JSON.stringify(part).replaceAll('"#/$defs/', `"#/components/schemas/${path}.`));
  for (const [name, definition] of Object.entries(Object($defs))) schemas[`${path}.${name}`] = moved(definition);
  return moved(schema);
}

function operation(path: string, { type, input }: ProcedureSchemas): Json {
  const [noun = path] = path.split('.');
  return {
    operationId: path,
    tags: [noun],
    ...(path !== 'system.ping' && { security: [{ bearer: [] }] }),
    ...(input &&
      type === 'query' && {
        parameters: [
          {
            name: 'input',
            in: 'query',
            description: 'superjson of the input',
            content: { 'application/json': { schema: superjson(input) } },
          },
        ],
      }),
    ...(input &&
      type === 'mutation' && {
        requestBody: { required: true, content: { 'application/json': { schema: superjson(input) } } },
      }),
    responses: {
      200: {
        description: 'The result',
        content: {
          'application/json': {
            schema: {
              type: 'object',
              required: ['result'],
              properties: { result: { type: 'object', properties: { data: superjson({}) } } },
            },
          },
        },
      },
      default: failure,
    },
  };
}

/** OpenAPI 3.1 of a router's queries and mutations, for clients in other languages. Made from the schemas that check the calls. */
export function describeApi(router: AnyTRPCRouter, version: string): Json {
  const paths: Json = {};
  const schemas: Json = { Failure: failureSchema, ...fileSchemas };
  for (const [path, procedure] of Object.entries(router._def.procedures)) {
    const described = schemasOf(procedure);
    // A subscription is no operation of OpenAPI.
    if (!described || described.type === 'subscription') continue;
    if (described.input) described.input = hoist(described.input, path, schemas);
    paths[`/trpc/${path}`] = { [described.type === 'query' ? 'get' : 'post']: operation(path, described) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Parley',
      version,
      description: 'Conversations with an AI agent. Subscriptions are streams of server-sent events on the same paths.',
    },
    paths: { ...paths, ...filePaths },
    components: {
      schemas,
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'An access token or an API key' } },
    },
  };
}
