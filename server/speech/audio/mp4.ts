import { damaged, tooLong } from './undecodable.ts';

/** Boxes that hold boxes, on the way to the tables of a track (ISO/IEC 14496-12). */
const holders = new Set([
  'moov',
  'trak',
  'mdia',
  'minf',
  'stbl',
  'edts',
  'udta',
  'mvex',
  'moof',
  'traf',
  'sinf',
  'wave',
]);
/** Bytes of one entry in the tables that declare how many entries they have, and where their number stands. */
const tables: Readonly<Record<string, { entry: number; longEntry?: number }>> = {
  stts: { entry: 8 },
  stsc: { entry: 12 },
  stco: { entry: 4 },
  co64: { entry: 8 },
  elst: { entry: 12, longEntry: 20 },
};
/** AAC has 1,024 samples a frame, at most 96,000 a second; other codecs have shorter frames. */
const aacFramesPerSecond = 100;
const framesPerSecond = 400;

interface Findings {
  hasMovie: boolean;
  isAac: boolean;
  frames: number;
  /** Of the longest track, in seconds, as its header declares. */
  seconds: number;
}

/**
 * Looks over the boxes of an MP4 file before a decoder trusts them: tables that claim more than they hold are refused, and
 * so is more sound than `maxSeconds`.
 * @throws Undecodable
 */
export function inspectMp4(data: Uint8Array, maxSeconds: number): void {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const found: Findings = { hasMovie: false, isAac: false, frames: 0, seconds: 0 };
  walk(view, 0, data.length, 0, found);
  if (!found.hasMovie) throw damaged('the MP4 file is cut off before its index');
  const most = (found.isAac ? aacFramesPerSecond : framesPerSecond) * (maxSeconds + 1);
  if (found.seconds > maxSeconds || found.frames > most) throw tooLong('the MP4 file is too long');
}

function walk(view: DataView, from: number, to: number, depth: number, found: Findings): void {
  if (depth > 12) throw damaged('the boxes of the MP4 file are nested too deep');
  for (let at = from; at + 8 <= to; ) {
    const declared = view.getUint32(at);
    const type = String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset + at + 4, 4));
    if (declared === 1 && at + 16 > to) throw damaged('the MP4 file is cut off');
    const size = declared === 0 ? to - at : declared === 1 ? Number(view.getBigUint64(at + 8)) : declared;
    const body = at + (declared === 1 ? 16 : 8);
    if (size < body - at) throw damaged('a box of the MP4 file is malformed');
    if (at + size > to) throw damaged(depth === 0 ? 'the MP4 file is cut off' : 'a box of the MP4 file is malformed');
    if (type === 'moov') found.hasMovie = true;
    if (holders.has(type)) walk(view, body, at + size, depth + 1, found);
    else readBox(view, type, body, at + size, found);
    at += size;
  }
}

function readBox(view: DataView, type: string, from: number, to: number, found: Findings): void {
  const need = (bytes: number): void => {
    if (from + bytes > to) throw damaged(`the table ${type} of the MP4 file claims more than it holds`);
  };
  const table = tables[type];
  if (table !== undefined) {
    need(8);
    const entry = view.getUint8(from) === 1 ? (table.longEntry ?? table.entry) : table.entry;
    need(8 + view.getUint32(from + 4) * entry);
  } else if (type === 'stsz') {
    need(12);
    const [size, count] = [view.getUint32(from + 4), view.getUint32(from + 8)];
    if (size === 0) need(12 + count * 4);
    found.frames = Math.max(found.frames, count);
  } else if (type === 'trun') {
    need(8);
    const flags = view.getUint32(from) & 0xffffff;
    const count = view.getUint32(from + 4);
    const fields = [0x100, 0x200, 0x400, 0x800].filter((flag) => (flags & flag) !== 0).length;
    need(8 + ((flags & 1) + ((flags >> 2) & 1)) * 4 + count * fields * 4);
    found.frames += count;
  } else if (type === 'mdhd') {
    const isLong = from < to && view.getUint8(from) === 1;
    need(isLong ? 32 : 20);
    const scale = view.getUint32(from + (isLong ? 20 : 12));
    const length = isLong ? Number(view.getBigUint64(from + 24)) : view.getUint32(from + 16);
    const isOpen = length === 0xffffffff || length >= 2 ** 64 - 1;
    if (scale > 0 && !isOpen) found.seconds = Math.max(found.seconds, length / scale);
  } else if (type === 'stsd') {
    need(16);
    found.isAac ||= view.getUint32(from + 12) === 0x6d703461;
  }
}
