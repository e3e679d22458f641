import { toBase64 } from '@parley/shared/bytes';

/** A value as JSON for other programs: bytes are base64 text. With `indent`, for people too. */
export function json(value: unknown, indent?: number): string {
  return JSON.stringify(value, plainBytes, indent);
}

function plainBytes(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? toBase64(value) : value;
}
