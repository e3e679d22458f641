import { isRecord } from '../../failure.ts';

export type Scalar = string | number | boolean | null;

/** What a form asks for, read from JSON Schema. Lengths are of characters, items or bytes; `undefined` is no bound. */
export type Field =
  | { kind: 'text'; isId: boolean; most: number | undefined }
  | { kind: 'number'; isInteger: boolean; least: number | undefined; most: number | undefined }
  | { kind: 'boolean' }
  | { kind: 'constant'; value: Scalar }
  | { kind: 'choice'; options: readonly Scalar[] }
  | { kind: 'bytes'; most: number | undefined }
  | { kind: 'object'; properties: readonly Property[] }
  | { kind: 'list'; item: Field; least: number; most: number | undefined }
  | { kind: 'either'; options: readonly Field[] }
  /** Any JSON; with `isObject`, any object. */
  | { kind: 'json'; isObject: boolean };

export type FieldOf<Kind extends Field['kind']> = Extract<Field, { kind: Kind }>;

export interface Property {
  name: string;
  field: Field;
  isRequired: boolean;
  /** What the server takes when it is not given; undefined when nothing is said. */
  standard: unknown;
}

const anything: Field = { kind: 'json', isObject: false };

/**
 * The field of a schema. A reference is any JSON: `z.toJSONSchema` makes one only where a schema holds itself. What is not
 * understood is any JSON too, so that it can still be filled in as text.
 */
export function fieldOf(schema: unknown): Field {
  if (!isRecord(schema) || '$ref' in schema) return anything;
  const options = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(options)) return either(options.map(fieldOf));
  if ('const' in schema && isScalar(schema.const)) return { kind: 'constant', value: schema.const };
  if (Array.isArray(schema.enum)) return { kind: 'choice', options: schema.enum.filter(isScalar) };
  if (Array.isArray(schema.type)) return either(schema.type.map((type) => fieldOf({ ...schema, type })));
  switch (schema.type) {
    case 'string':
      return schema.contentEncoding === 'base64'
        ? { kind: 'bytes', most: bytesOf(number(schema.maxLength)) }
        : { kind: 'text', isId: schema.format === 'uuid', most: number(schema.maxLength) };
    case 'integer':
    case 'number':
      return { kind: 'number', isInteger: schema.type === 'integer', ...range(schema) };
    case 'boolean':
      return { kind: 'boolean' };
    case 'null':
      return { kind: 'constant', value: null };
    case 'array':
      return {
        kind: 'list',
        item: fieldOf(schema.items),
        least: number(schema.minItems) ?? 0,
        most: number(schema.maxItems),
      };
    case 'object':
      return isRecord(schema.properties)
        ? { kind: 'object', properties: propertiesOf(schema.properties, schema.required) }
        : { kind: 'json', isObject: true };
    default:
      return anything;
  }
}

function either(options: Field[]): Field {
  const [only] = options;
  return options.length === 1 && only ? only : { kind: 'either', options };
}

function propertiesOf(properties: Record<string, unknown>, required: unknown): Property[] {
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    field: fieldOf(schema),
    isRequired: Array.isArray(required) && required.includes(name),
    standard: isRecord(schema) ? schema.default : undefined,
  }));
}

function range(schema: Record<string, unknown>): { least: number | undefined; most: number | undefined } {
  const step = schema.type === 'integer' ? 1 : Number.MIN_VALUE;
  const above = number(schema.exclusiveMinimum);
  const most = number(schema.maximum);
  return {
    least: number(schema.minimum) ?? (above === undefined ? undefined : above + step),
    most: most === Number.MAX_SAFE_INTEGER ? undefined : most,
  };
}

/** How many bytes a base64 text of this length holds at most. */
function bytesOf(characters: number | undefined): number | undefined {
  return characters === undefined ? undefined : Math.floor((characters * 3) / 4);
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

function isScalar(value: unknown): value is Scalar {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value);
}

/** What a field takes, in a few words beside its name. */
export function hintOf(field: Field): string {
  switch (field.kind) {
    case 'text':
      return field.isId ? 'UUID' : field.most === undefined ? 'text' : `text, at most ${field.most} characters`;
    case 'number':
      return `${field.isInteger ? 'whole number' : 'number'}${between(field.least, field.most)}`;
    case 'boolean':
      return 'yes or no';
    case 'constant':
      return `always ${JSON.stringify(field.value)}`;
    case 'choice':
      return 'one of a list';
    case 'bytes':
      return field.most === undefined ? 'file' : `file, at most ${sizeText(field.most)}`;
    case 'object':
      return 'object';
    case 'list':
      return field.most === undefined ? 'list' : `list of at most ${field.most}`;
    case 'either':
      return field.options.map(labelOf).join(' or ');
    case 'json':
      return field.isObject ? 'any JSON object' : 'any JSON';
  }
}

/** What a choice among several fields is called. */
export function labelOf(field: Field): string {
  if (field.kind === 'constant') return JSON.stringify(field.value);
  if (field.kind === 'text') return field.isId ? 'UUID' : 'text';
  if (field.kind === 'bytes') return 'file';
  if (field.kind === 'number') return 'number';
  if (field.kind !== 'object') return hintOf(field);
  for (const { field: inner } of field.properties) if (inner.kind === 'constant') return String(inner.value);
  return `{ ${field.properties.map(({ name }) => name).join(', ')} }`;
}

function between(least: number | undefined, most: number | undefined): string {
  const shown = least === Number.MIN_VALUE ? 'above 0' : least === undefined ? '' : `from ${least}`;
  return [shown, most === undefined ? '' : `to ${most}`].reduce((text, part) => (part ? `${text} ${part}` : text), '');
}

export function sizeText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} ${bytes === 1 ? 'byte' : 'bytes'}`;
  return bytes < 1_000_000 ? `${Math.round(bytes / 1_000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
