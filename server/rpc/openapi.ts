import type { AnyTRPCRouter } from '@trpc/server';
import { z } from 'zod';
import { errorSchema, type Json } from './openapi-error.ts';
import { filePaths, fileSchemas } from './openapi-files.ts';

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

interface Described {
  type: 'query' | 'mutation';
  input: Json | undefined;
}

/** A schema whose own definitions, such as that of any JSON, are moved to the document's, under names that begin with `path`. */
function hoist({ $defs, $schema: _dialect, ...schema }: Json, path: string, schemas: Json): Json {
  const moved = (part: unknown): Json =>
    JSON.parse(JSON.stringify(part).replaceAll('"#/$defs/', `"#/components/schemas/${path}.`));
  for (const [name, definition] of Object.entries(Object($defs))) schemas[`${path}.${name}`] = moved(definition);
  return moved(schema);
}

/** A procedure's kind and input, read from what tRPC keeps of it; undefined for a subscription. */
function describe(procedure: unknown): Described | undefined {
  const definition: unknown = Reflect.get(Object(procedure), '_def');
  const type: unknown = Reflect.get(Object(definition), 'type');
  if (type !== 'query' && type !== 'mutation') return undefined;
  const inputs: unknown = Reflect.get(Object(definition), 'inputs');
  const schemas = Array.isArray(inputs) ? inputs.filter((input) => input instanceof z.ZodType) : [];
  const [schema] = schemas;
  return { type, input: schema && z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) };
}

function operation(path: string, { type, input }: Described): Json {
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
    const described = describe(procedure);
    if (!described) continue;
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
