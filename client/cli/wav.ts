/** Mono sound as 16-bit samples. */
export interface Samples {
  samples: Int16Array<ArrayBuffer>;
  /** Per second. */
  sampleRate: number;
}

const headerBytes = 44;
const pcm = 1;

/** A WAV file of little-endian 16-bit mono samples. */
export function wavOf(pieces: readonly Uint8Array[], sampleRate: number): Uint8Array<ArrayBuffer> {
  const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const file = new Uint8Array(headerBytes + size);
  const view = new DataView(file.buffer);
  const text = (at: number, name: string): void => file.set(new TextEncoder().encode(name), at);
  text(0, 'RIFF');
  view.setUint32(4, headerBytes - 8 + size, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, pcm, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, sampleRate * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, 'data');
  view.setUint32(40, size, true);
  let at = headerBytes;
  for (const piece of pieces) {
    file.set(piece, at);
    at += piece.length;
  }
  return file;
}

/** The sound of a WAV file with 16-bit samples, its channels mixed; undefined of any other file. */
export function readWav(file: Uint8Array): Samples | undefined {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const name = (at: number): string => String.fromCharCode(...file.subarray(at, at + 4));
  if (file.length < 12 || name(0) !== 'RIFF' || name(8) !== 'WAVE') return undefined;
  let format: { channels: number; sampleRate: number } | undefined;
  for (let at = 12; at + 8 <= file.length; ) {
    const size = view.getUint32(at + 4, true);
    const from = at + 8;
    if (name(at) === 'fmt ' && size >= 16 && from + 16 <= file.length) {
      const is16Bit = view.getUint16(from, true) === pcm && view.getUint16(from + 14, true) === 16;
      const channels = view.getUint16(from + 2, true);
      if (!is16Bit || channels === 0) return undefined;
      format = { channels, sampleRate: view.getUint32(from + 4, true) };
    }
    if (name(at) === 'data') return format && mixed(view, from, Math.min(size, file.length - from), format);
    at = from + size + (size & 1);
  }
  return undefined;
}

function mixed(
  view: DataView,
  from: number,
  bytes: number,
  { channels, sampleRate }: { channels: number; sampleRate: number },
): Samples {
  const samples = new Int16Array(Math.floor(bytes / 2 / channels));
  for (let frame = 0; frame < samples.length; frame++) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++)
      sum += view.getInt16(from + 2 * (frame * channels + channel), true);
    samples[frame] = Math.round(sum / channels);
  }
  return { samples, sampleRate };
}
