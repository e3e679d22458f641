import { CommandFailure } from './command.ts';
import { frameMs } from './listen-endpoint.ts';

/** Sound as it comes, in frames of `frameMs`. */
export interface SoundStream {
  /** Samples per second. */
  sampleRate: number;
  /** Mono 16-bit samples; the last frame may be shorter. */
  frames: AsyncGenerator<Int16Array, void, void>;
}

interface Format {
  sampleRate: number;
  channels: number;
}

/** A WAV file's header has some dozens of bytes; this many are read in search of its sound. */
const mostHeader = 1024 * 1024;

/**
 * Reads sound from a stream of bytes: a WAV file with 16-bit samples, of whatever length it claims to be, else bare mono
 * samples at `rawRate`. Undefined when nothing comes at all.
 * @throws CommandFailure for a WAV file of another kind
 */
export async function readSound(bytes: AsyncIterable<Uint8Array>, rawRate: number): Promise<SoundStream | undefined> {
  const source = bytes[Symbol.asyncIterator]();
  let head = new Uint8Array(0);
  for (;;) {
    const format = formatOf(head);
    if (format !== 'unknown' && (format === 'raw' || 'at' in format)) {
      const isRaw = format === 'raw';
      const { sampleRate, channels }: Format = isRaw ? { sampleRate: rawRate, channels: 1 } : format;
      return { sampleRate, frames: framesOf(head.subarray(isRaw ? 0 : format.at), source, { sampleRate, channels }) };
    }
    if (head.length > mostHeader) throw new CommandFailure('the WAV file has no sound');
    const next = await source.next();
    if (next.done) {
      if (head.length === 0) return undefined;
      if (isWav(head)) throw new CommandFailure('the WAV file has no sound');
      return { sampleRate: rawRate, frames: framesOf(head, source, { sampleRate: rawRate, channels: 1 }) };
    }
    head = joined(head, next.value);
  }
}

function isWav(head: Uint8Array): boolean {
  return nameAt(head, 0) === 'RIFF';
}

/** `unknown`: too little of it is there. `at`: where its samples begin. */
function formatOf(head: Uint8Array): 'raw' | 'unknown' | (Format & { at: number }) {
  if (head.length < 12) return 'unknown';
  if (!isWav(head) || nameAt(head, 8) !== 'WAVE') return 'raw';
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  let format: Format | undefined;
  for (let at = 12; at + 8 <= head.length; ) {
    const size = view.getUint32(at + 4, true);
    const from = at + 8;
    if (nameAt(head, at) === 'data') {
      if (!format) throw new CommandFailure('the WAV file does not say what its sound is');
      return { ...format, at: from };
    }
    if (nameAt(head, at) === 'fmt ') {
      if (from + 16 > head.length) return 'unknown';
      const [channels, sampleRate] = [view.getUint16(from + 2, true), view.getUint32(from + 4, true)];
      // Plain samples, or what says so in its extension.
      const isPlain = [1, 0xfffe].includes(view.getUint16(from, true)) && view.getUint16(from + 14, true) === 16;
      if (!isPlain || channels === 0 || sampleRate < 8_000 || sampleRate > 192_000)
        throw new CommandFailure('a WAV file has to have 16-bit samples at 8,000 to 192,000 a second');
      format = { sampleRate, channels };
    }
    at = from + size + (size & 1);
  }
  return 'unknown';
}

function nameAt(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}

async function* framesOf(
  head: Uint8Array,
  source: AsyncIterator<Uint8Array>,
  { sampleRate, channels }: Format,
): AsyncGenerator<Int16Array, void, void> {
  const frameBytes = Math.round((sampleRate * frameMs) / 1000) * channels * 2;
  let waiting = head;
  try {
    for (;;) {
      let at = 0;
      for (; at + frameBytes <= waiting.length; at += frameBytes)
        yield mono(waiting.subarray(at, at + frameBytes), channels);
      waiting = waiting.slice(at);
      const next = await source.next();
      if (next.done) break;
      waiting = joined(waiting, next.value);
    }
    const rest = mono(waiting, channels);
    if (rest.length > 0) yield rest;
  } finally {
    await source.return?.();
  }
}

function mono(bytes: Uint8Array, channels: number): Int16Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Int16Array.from({ length: Math.floor(bytes.length / 2 / channels) }, (_, frame) => {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) sum += view.getInt16(2 * (frame * channels + channel), true);
    return Math.round(sum / channels);
  });
}

function joined(left: Uint8Array, right: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(left.length + right.length);
  both.set(left);
  both.set(right, left.length);
  return both;
}
