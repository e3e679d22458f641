/** The formats of the contract that a container names; `pcm_s16le` has none. */
export type Container = 'wav' | 'mp3' | 'm4a' | 'aac' | 'ogg' | 'webm' | 'flac';

const ascii = (data: Uint8Array, from: number, text: string): boolean =>
  data.length >= from + text.length && [...text].every((letter, index) => data[from + index] === letter.charCodeAt(0));

/**
 * The container that bytes really are in, by their beginning; `undefined` when they are in none of the contract's.
 * Names and media types are not asked.
 */
export function sniffContainer(data: Uint8Array): Container | undefined {
  if (ascii(data, 0, 'RIFF') && ascii(data, 8, 'WAVE')) return 'wav';
  if (ascii(data, 0, 'fLaC')) return 'flac';
  if (ascii(data, 0, 'OggS')) return 'ogg';
  if (ascii(data, 4, 'ftyp')) return 'm4a';
  if (data[0] === 0x1a && data[1] === 0x45 && data[2] === 0xdf && data[3] === 0xa3) return 'webm';
  return sniffFrames(data);
}

/** Junk before the first frame is looked through this far. */
const searchBytes = 4_096;

/** MPEG audio has no header of its own: two frames, the second where the first one ends, or a single one and the end. */
function sniffFrames(data: Uint8Array): 'mp3' | 'aac' | undefined {
  const start = tagLength(data);
  for (let at = start; at < Math.min(data.length - 4, start + searchBytes); at++) {
    if (data[at] !== 0xff) continue;
    for (const [container, lengthOf] of frames) {
      const length = lengthOf(data, at);
      if (length === undefined) continue;
      const next = at + length;
      if (next + 4 > data.length ? at === start : lengthOf(data, next) !== undefined) return container;
    }
  }
  // A tag of ID3 and then nothing that is known is still a damaged MP3.
  return start > 0 ? 'mp3' : undefined;
}

/** The length of an ID3v2 tag, or 0. */
function tagLength(data: Uint8Array): number {
  if (!ascii(data, 0, 'ID3') || data.length < 10) return 0;
  const [a = 0, b = 0, c = 0, d = 0] = data.subarray(6, 10);
  const footer = ((data[5] ?? 0) & 0x10) === 0 ? 0 : 10;
  return 10 + (((a & 0x7f) << 21) | ((b & 0x7f) << 14) | ((c & 0x7f) << 7) | (d & 0x7f)) + footer;
}

/** Kilobits per second of MPEG-1 and MPEG-2 layer III, and samples per second of MPEG-1 (ISO/IEC 11172-3, 2.4.2.3). */
const rates1 = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const rates2 = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
const frequencies = [44_100, 48_000, 32_000];

function mp3FrameLength(data: Uint8Array, at: number): number | undefined {
  const [sync = 0, kind = 0, rate = 0] = data.subarray(at, at + 3);
  if (sync !== 0xff || (kind & 0xe6) !== 0xe2) return undefined;
  const version = (kind >> 3) & 3;
  const kbps = (version === 3 ? rates1 : rates2)[rate >> 4];
  const frequency = frequencies[(rate >> 2) & 3];
  if (version === 1 || kbps === undefined || kbps === 0 || frequency === undefined) return undefined;
  const hertz = version === 3 ? frequency : version === 2 ? frequency / 2 : frequency / 4;
  return Math.floor(((version === 3 ? 144_000 : 72_000) * kbps) / hertz) + ((rate >> 1) & 1);
}

/** ADTS (ISO/IEC 14496-3, 1.A.2). */
function aacFrameLength(data: Uint8Array, at: number): number | undefined {
  const [sync = 0, kind = 0, profile = 0, high = 0, middle = 0, low = 0] = data.subarray(at, at + 6);
  if (sync !== 0xff || (kind & 0xf6) !== 0xf0 || ((profile >> 2) & 15) > 12) return undefined;
  const length = ((high & 3) << 11) | (middle << 3) | (low >> 5);
  return length > 7 ? length : undefined;
}

const frames = [
  ['mp3', mp3FrameLength],
  ['aac', aacFrameLength],
] as const;
