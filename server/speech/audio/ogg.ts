import { damaged } from './undecodable.ts';

/** The codec inside an Ogg file, by its first packet. */
export function oggCodec(data: Uint8Array): 'opus' | 'vorbis' {
  const start = 27 + (data[26] ?? 0);
  const head = String.fromCharCode(...data.subarray(start, start + 8));
  if (head === 'OpusHead') return 'opus';
  if (head.startsWith('\x01vorbis')) return 'vorbis';
  throw damaged('the Ogg file is in an encoding that is not known');
}
