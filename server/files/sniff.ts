import type { AttachmentKind } from '@parley/shared/message';

/** Bytes from the beginning of a file that tell what it is. */
export const headBytes = 4_096;

export const unknownType = 'application/octet-stream';

interface Signature {
  type: string | ((head: Buffer) => string | undefined);
  at?: number;
  /** Latin-1. */
  bytes: string;
}

/** Where a file's type stands in its first bytes. WHATWG MIME Sniffing, and the formats' own specifications. */
const signatures: readonly Signature[] = [
  { type: 'image/png', bytes: '\x89PNG\r\n\x1a\n' },
  { type: 'image/jpeg', bytes: '\xff\xd8\xff' },
  { type: 'image/gif', bytes: 'GIF87a' },
  { type: 'image/gif', bytes: 'GIF89a' },
  { type: riffType, bytes: 'RIFF' },
  { type: 'application/pdf', bytes: '%PDF-' },
  { type: 'application/zip', bytes: 'PK\x03\x04' },
  { type: 'application/zip', bytes: 'PK\x05\x06' },
  { type: 'application/gzip', bytes: '\x1f\x8b\x08' },
  { type: 'audio/mpeg', bytes: 'ID3' },
  { type: 'audio/flac', bytes: 'fLaC' },
  { type: oggType, bytes: 'OggS\0' },
  { type: webmType, bytes: '\x1a\x45\xdf\xa3' },
  { type: isoType, at: 4, bytes: 'ftyp' },
  { type: mpegType, bytes: '\xff' },
];

function riffType(head: Buffer): string | undefined {
  const form = head.toString('latin1', 8, 12);
  return { WAVE: 'audio/wav', WEBP: 'image/webp', 'AVI ': 'video/x-msvideo' }[form];
}

function oggType(head: Buffer): string {
  return head.includes('\x80theora', 0, 'latin1') ? 'video/ogg' : 'audio/ogg';
}

/** Matroska's subset for the web. A recording of a voice has tracks of sound only; the codec ids say so. */
function webmType(head: Buffer): string | undefined {
  if (!head.includes('webm', 0, 'latin1'))
    return head.includes('matroska', 0, 'latin1') ? 'video/x-matroska' : undefined;
  const isSound = /A_(OPUS|VORBIS)/.test(head.toString('latin1')) && !/V_(VP8|VP9|AV1)/.test(head.toString('latin1'));
  return isSound ? 'audio/webm' : 'video/webm';
}

/** ISO base media (ISO/IEC 14496-12): the major brand, then the handlers of the tracks where they come early. */
function isoType(head: Buffer): string {
  const brand = head.toString('latin1', 8, 12);
  if (brand === 'avif' || brand === 'avis') return 'image/avif';
  if (/^(hei[cxms]|hev[cxms]|mif1|msf1)$/.test(brand)) return 'image/heic';
  if (/^M4[ABP] $/.test(brand)) return 'audio/mp4';
  if (brand === 'qt  ') return 'video/quicktime';
  return head.includes('soun', 0, 'latin1') && !head.includes('vide', 0, 'latin1') ? 'audio/mp4' : 'video/mp4';
}

/** A frame of MPEG audio, or of AAC in ADTS, without any tag before it. */
function mpegType(head: Buffer): string | undefined {
  const second = head[1] ?? 0;
  const third = head[2] ?? 0xff;
  if ((second & 0xf6) === 0xf0) return (third & 0x3c) <= 0x30 ? 'audio/aac' : undefined;
  const isFrame = (second & 0xe0) === 0xe0 && (second & 0x18) !== 0x08 && (second & 0x06) === 0x02;
  return isFrame && third >> 4 !== 0xf && third >> 4 !== 0 && (third & 0x0c) !== 0x0c ? 'audio/mpeg' : undefined;
}

/**
 * The media type that a file's first bytes show; undefined when they show none. Whatever a browser could run, such as HTML
 * and SVG, is among those: it has no signature here.
 */
export function sniff(head: Buffer): string | undefined {
  for (const { type, at = 0, bytes } of signatures) {
    if (head.toString('latin1', at, at + bytes.length) !== bytes) continue;
    const found = typeof type === 'string' ? type : type(head);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether text reads like markup, which some program may take for a page. */
export function isMarkup(head: Buffer): boolean {
  return /^[\ufeff\s]*</.test(head.toString('utf8'));
}

export function kindOf(mediaType: string): AttachmentKind {
  const [family] = mediaType.split('/');
  return family === 'image' || family === 'audio' || family === 'video' ? family : 'file';
}
