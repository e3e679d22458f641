import type { Sound } from '../port.ts';

const headerBytes = 44;

/** A sound as a 16-bit WAV file. */
export function wavFile({ samples, sampleRate }: Sound): File {
  const bytes = new Uint8Array(headerBytes + samples.length * 2);
  const view = new DataView(bytes.buffer);
  for (const [at, letters] of [
    [0, 'RIFF'],
    [8, 'WAVEfmt '],
    [36, 'data'],
  ] as const) {
    for (let index = 0; index < letters.length; index++) bytes[at + index] = letters.charCodeAt(index);
  }
  view.setUint32(4, bytes.length - 8, true);
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, sampleRate * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  view.setUint32(40, samples.length * 2, true);
  for (const [index, sample] of samples.entries()) {
    view.setInt16(headerBytes + index * 2, Math.max(-32_768, Math.min(32_767, Math.round(sample * 32_767))), true);
  }
  return new File([bytes], 'speech.wav', { type: 'audio/wav' });
}

/**
 * Where the samples of a WAV file begin and how many bytes they are; `undefined` while its header is not complete.
 * Throws RangeError when they are not 16-bit mono at `sampleRate`.
 */
export function wavBody(data: Uint8Array, sampleRate: number): { from: number; length: number } | undefined {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let isKnown = false;
  for (let at = 12; at + 8 <= data.length; ) {
    const [id, size] = [view.getUint32(at), view.getUint32(at + 4, true)];
    if (id === 0x64617461) {
      if (!isKnown) break;
      // Streamed files cannot know their length.
      return { from: at + 8, length: size === 0 || size >= 0x7fffff00 ? Number.POSITIVE_INFINITY : size };
    }
    if (id === 0x666d7420) {
      if (at + 24 > data.length) return undefined;
      const isExpected = view.getUint16(at + 10, true) === 1 && view.getUint16(at + 22, true) === 16;
      if (!isExpected || view.getUint32(at + 12, true) !== sampleRate) break;
      isKnown = true;
    }
    at += 8 + size + (size & 1);
    if (at > data.length && at < 65_536) return undefined;
  }
  if (data.length < 44) return undefined;
  throw new RangeError(`the WAV file is not 16-bit mono at ${sampleRate}`);
}
