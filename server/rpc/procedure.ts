import { z } from 'zod';
import type { Json } from './openapi-error.ts';

/** A procedure's kind and the JSON Schemas of what it takes and gives, where it has them. */
export interface ProcedureSchemas {
  type: 'query' | 'mutation' | 'subscription';
  input: Json | undefined;
  output: Json | undefined;
}

/** Bytes as JSON carries them. */
const bytes: Json = { type: 'string', contentEncoding: 'base64' };

/** The schema that nothing fits: what cannot be said in JSON, such as a form. */
const nothing: Json = { not: {} };

/** What tRPC keeps of a procedure, as JSON Schema; undefined for what is no procedure. */
export function schemasOf(procedure: unknown): ProcedureSchemas | undefined {
  const definition: unknown = Reflect.get(Object(procedure), '_def');
  const type: unknown = Reflect.get(Object(definition), 'type');
  if (type !== 'query' && type !== 'mutation' && type !== 'subscription') return undefined;
  const inputs: unknown = Reflect.get(Object(definition), 'inputs');
  const input = Array.isArray(inputs) ? inputs.find((each) => each instanceof z.ZodType) : undefined;
  const output: unknown = Reflect.get(Object(definition), 'output');
  return {
    type,
    input: input && jsonSchema(input, 'input'),
    output: output instanceof z.ZodType ? jsonSchema(output, 'output') : undefined,
  };
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const made = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override({ zodSchema, jsonSchema }) {
      if (zodSchema instanceof z.ZodCustom) Object.assign(jsonSchema, takesBytes(zodSchema) ? bytes : nothing);
    },
  });
  return Object(tidy(made));
}

function takesBytes(schema: z.ZodCustom): boolean {
  return schema.safeParse(new Uint8Array(1)).success && !schema.safeParse({}).success;
}

/** Leaves out choices that JSON does not have, and says once what is bytes or the base64 text of them. */
function tidy(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(tidy);
  if (typeof node !== 'object' || node === null) return node;
  const { anyOf, ...schema }: Json = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, tidy(value)]));
  if (!Array.isArray(anyOf)) return schema;
  const choices: Json[] = anyOf.map(Object).filter((choice) => !('not' in choice));
  const encoded = choices.find(({ contentEncoding }) => contentEncoding !== undefined);
  const text = choices.find(({ type, contentEncoding }) => type === 'string' && contentEncoding === undefined);
  const options =
    encoded && text
      ? [{ ...text, ...encoded }, ...choices.filter((choice) => choice !== encoded && choice !== text)]
      : choices;
  return options.length === 1 ? { ...schema, ...options[0] } : { ...schema, anyOf: options };
}
