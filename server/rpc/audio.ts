import { limits } from '@parley/shared/limits';

/** Procedures whose input carries a recording or a file, and may be larger than other messages. */
const audioProcedures: ReadonlySet<string> = new Set([
  'voice.sendSegment',
  'voice.sendMessage',
  'voice.transcribe',
  'calls.sendAudio',
  'attachments.upload',
]);

export function isAudioProcedure(path: unknown): boolean {
  return typeof path === 'string' && audioProcedures.has(path);
}

/** Bytes that an HTTP body may have: `path` is that of the request, a batch's procedures with commas in between. */
export function bodyLimitOf(path: string): number {
  return path.split(',').every(isAudioProcedure) ? limits.audioMessageBytes : limits.bodyBytes;
}

const mostTokens = 2_000;

/**
 * Whether a message over the common limit can be an audio message at all, told without parsing it: base64 has neither braces
 * nor commas, so a message that holds thousands of them is not mostly one string, and its parse would cost far more than its
 * size says.
 */
export function isMostlyBytes(json: Uint8Array): boolean {
  const data = Buffer.from(json.buffer, json.byteOffset, json.byteLength);
  for (const token of ['[', '{', ',']) {
    let count = 0;
    for (let at = data.indexOf(token); at >= 0; at = data.indexOf(token, at + 1))
      if (++count > mostTokens) return false;
  }
  return true;
}

/** The JSON within a frame: all of a text frame, the first part of a binary one. */
export function jsonOf(frame: Buffer, isBinary: boolean): Buffer {
  if (!isBinary || frame.length < 4) return frame;
  return frame.subarray(4, 4 + frame.readUInt32BE(0));
}
