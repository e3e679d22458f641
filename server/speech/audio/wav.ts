import { damaged } from './undecodable.ts';

const pcm = 1;
const msAdpcm = 2;
const float = 3;
const imaAdpcm = 0x11;
const extensible = 0xfffe;
/** A-law and µ-law, one byte a sample. */
const companded = [6, 7];

/** Writers that do not know the length yet put one of these: nothing, or the most that fits, with or without the header. */
const isUnknown = (bytes: number): boolean =>
  bytes === 0 || (bytes >= 0x7fffff00 && bytes <= 0x7fffffff) || bytes >= 0xffffff00;

interface Format {
  tag: number;
  channels: number;
  sampleRate: number;
  blockBytes: number;
  bits: number;
  /** ADPCM only. */
  framesPerBlock: number;
}

/**
 * What a WAV header declares: seconds of sound, `undefined` when it leaves them open, and whether the bytes are there.
 * A header that contradicts itself, or that no decoder should be given, is refused.
 * @throws Undecodable
 */
export function inspectWav(data: Uint8Array): { seconds: number; isWhole: boolean } {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let format: Format | undefined;
  for (let at = 12; at + 8 <= data.length; ) {
    const id = view.getUint32(at);
    const size = view.getUint32(at + 4, true);
    if (id === 0x666d7420) format = readFormat(view, at + 8, size);
    if (id === 0x64617461) {
      if (format === undefined) throw damaged('the WAV file has no format');
      const present = data.length - at - 8;
      const declared = isUnknown(size) ? present : size;
      const seconds = (Math.ceil(declared / format.blockBytes) * format.framesPerBlock) / format.sampleRate;
      return {
        seconds,
        isWhole: declared - present <= format.sampleRate * 0.1 * (format.blockBytes / format.framesPerBlock),
      };
    }
    at += 8 + size + (size & 1);
  }
  throw damaged('the WAV file has no sound in it');
}

function readFormat(view: DataView, at: number, size: number): Format {
  if (size < 16 || at + size > view.byteLength) throw damaged('the format of the WAV file is cut off');
  const tag = view.getUint16(at, true);
  const [channels, sampleRate] = [view.getUint16(at + 2, true), view.getUint32(at + 4, true)];
  const [blockBytes, bits] = [view.getUint16(at + 12, true), view.getUint16(at + 14, true)];
  const codec = tag === extensible && size >= 40 ? view.getUint16(at + 24, true) : tag;
  if (channels < 1 || channels > 8) throw damaged(`the WAV file claims ${channels} channels`);
  if (sampleRate < 4_000 || sampleRate > 384_000) throw damaged(`the WAV file claims ${sampleRate} samples a second`);
  const framesPerBlock =
    codec === imaAdpcm || codec === msAdpcm ? adpcmFrames(view, at, size, codec, channels, blockBytes) : 1;
  if (framesPerBlock === 1) {
    const allowed = codec === pcm ? [8, 16, 24, 32] : codec === float ? [32, 64] : companded.includes(codec) ? [8] : [];
    if (!allowed.includes(bits))
      throw damaged(`the WAV file is in an encoding that is not known (${codec}, ${bits} bit)`);
    if (blockBytes !== (channels * bits) / 8) throw damaged('the header of the WAV file contradicts itself');
  }
  return { tag: codec, channels, sampleRate, blockBytes, bits, framesPerBlock };
}

/** The header says how many, but only one number fits the size of a block. */
function adpcmFrames(
  view: DataView,
  at: number,
  size: number,
  codec: number,
  channels: number,
  blockBytes: number,
): number {
  const payload = blockBytes - (codec === imaAdpcm ? 4 : 7) * channels;
  const frames = (payload * 2) / channels + (codec === imaAdpcm ? 1 : 2);
  const declared = size >= 20 ? view.getUint16(at + 18, true) : 0;
  if (payload <= 0 || !Number.isInteger(frames) || (declared !== 0 && declared !== frames) || channels > 2) {
    throw damaged('the header of the WAV file contradicts itself');
  }
  return frames;
}
