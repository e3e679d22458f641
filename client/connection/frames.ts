import { encodeFrame } from '@parley/shared/frame';
import { limits } from '@parley/shared/limits';

/** Bytes that a character of JSON takes at most. */
const mostBytes = 3;

/**
 * Messages as frames that a server takes: no more in one than a batch may have, nor than a common message may be large. What
 * is larger by itself, and what has bytes, goes alone.
 */
export function framesOf(messages: readonly unknown[]): (string | Uint8Array<ArrayBuffer>)[] {
  const frames: (string | Uint8Array<ArrayBuffer>)[] = [];
  let batch: string[] = [];
  let bytes = 0;
  const flush = (): void => {
    const [first, second] = batch;
    if (first !== undefined) frames.push(second === undefined ? first : `[${batch.join(',')}]`);
    batch = [];
    bytes = 0;
  };
  for (const message of messages) {
    const frame = encodeFrame(message);
    if (typeof frame !== 'string') {
      flush();
      frames.push(frame);
      continue;
    }
    const size = (frame.length + 1) * mostBytes;
    if (batch.length >= limits.batchCalls || bytes + size > limits.messageBytes) flush();
    batch.push(frame);
    bytes += size;
  }
  flush();
  return frames;
}
