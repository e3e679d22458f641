import { ParleyError } from '@parley/shared/reason';

/** A place in a list, as opaque text: the sort key of the last item that was given out. */
export function encodeCursor(parts: readonly string[]): string {
  return Buffer.from(parts.join(' ')).toString('base64url');
}

/**
 * The sort key of a cursor.
 * @throws ParleyError INVALID_INPUT when it is not one of ours
 */
export function decodeCursor(cursor: string, patterns: readonly RegExp[]): string[] {
  const parts = Buffer.from(cursor, 'base64url').toString().split(' ');
  if (parts.length !== patterns.length || patterns.some((pattern, i) => !pattern.test(parts[i] ?? '')))
    throw new ParleyError('INVALID_INPUT', { details: { cursor: 'not a cursor of this list' } });
  return parts;
}

export const milliseconds = /^-?\d{1,16}$/;
export const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
