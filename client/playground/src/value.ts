import { isRecord } from '../../failure.ts';
import type { Field, FieldOf } from './schema.ts';

/** What is known to fit a field of this name, such as the id of the conversation that was made last. */
export type Suggest = (name: string) => string | undefined;

/**
 * The value that a form begins with: what must be there, as little of it as can be. A file that is not chosen yet is
 * `undefined`, which leaves its field out.
 */
export function initial(field: Field, suggest: Suggest = () => undefined, name = ''): unknown {
  switch (field.kind) {
    case 'text':
      return suggest(name) ?? '';
    case 'number':
      return startOf(field);
    case 'boolean':
      return false;
    case 'constant':
      return field.value;
    case 'choice':
      return field.options[0];
    case 'bytes':
      return undefined;
    case 'object':
      return Object.fromEntries(
        field.properties
          .filter(({ isRequired }) => isRequired)
          .map((property) => [property.name, initial(property.field, suggest, property.name)]),
      );
    case 'list':
      return Array.from({ length: field.least }, () => initial(field.item, suggest));
    case 'either':
      return field.options[0] ? initial(field.options[0], suggest, name) : null;
    case 'json':
      return field.isObject ? {} : null;
  }
}

function startOf({ least, isInteger }: FieldOf<'number'>): number {
  if (least === undefined) return 0;
  return isInteger ? least : Math.max(0, Math.ceil(least));
}

/** Whether a value is of the kind that a field asks for; what lies deeper is not looked at. */
export function fits(field: Field, value: unknown): boolean {
  switch (field.kind) {
    case 'text':
      return typeof value === 'string';
    case 'number':
      return typeof value === 'number';
    case 'boolean':
      return typeof value === 'boolean';
    case 'constant':
      return value === field.value;
    case 'choice':
      return field.options.some((option) => option === value);
    case 'bytes':
      return value === undefined || typeof value === 'string' || value instanceof Uint8Array;
    case 'object':
      return (
        isPlain(value) &&
        field.properties.every(
          ({ name, field: inner, isRequired }) =>
            (!isRequired || name in value || inner.kind === 'bytes') &&
            (inner.kind !== 'constant' || !(name in value) || fits(inner, value[name])),
        )
      );
    case 'list':
      return Array.isArray(value);
    case 'either':
      return field.options.some((option) => fits(option, value));
    case 'json':
      return !field.isObject || isPlain(value);
  }
}

/** Which of several fields a value is one of: the first that it fits, else the first. */
export function optionOf({ options }: FieldOf<'either'>, value: unknown): number {
  return Math.max(
    0,
    options.findIndex((option) => fits(option, value)),
  );
}

/** Whether a form can show a value; if not, only its text can be edited. */
export function isShowable(field: Field, value: unknown): boolean {
  if (!fits(field, value)) return false;
  if (field.kind === 'list') return Array.isArray(value) && value.every((item) => isShowable(field.item, item));
  if (field.kind === 'either') return field.options.some((option) => isShowable(option, value));
  if (field.kind !== 'object' || !isPlain(value)) return true;
  const fields = new Map(field.properties.map((property) => [property.name, property.field]));
  return Object.entries(value).every(([name, inner]) => {
    const known = fields.get(name);
    return known !== undefined && isShowable(known, inner);
  });
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return isRecord(value) && !(value instanceof Uint8Array);
}
