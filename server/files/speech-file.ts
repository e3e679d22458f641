import type { Db } from '@parley/db/connect';
import type { Owner } from '@parley/db/repository/conversation';
import { attach, writeFile } from './keep.ts';
import type { FileStore } from './port.ts';

export interface Speech {
  owner: Owner;
  conversationId: string;
  turnId: string;
  /** Samples of one channel, 16 bits each, little-endian, in order. */
  pcm: readonly Uint8Array[];
  /** Samples per second. */
  sampleRate: number;
}

/** Bytes of one answer's speech: about 45 minutes at 24 kHz. */
const most = 128 * 1024 * 1024;

/**
 * Keeps the sound of an answer as a WAV file that belongs to its conversation, and goes with it. Resolves to the
 * attachment's id when file and row are there.
 * @throws ParleyError INVALID_INPUT (no sound), PAYLOAD_TOO_LARGE, NOT_FOUND (the conversation is gone), UNAVAILABLE
 */
export async function saveSpeech(files: FileStore, db: Db, speech: Speech): Promise<string> {
  const { owner, conversationId, turnId, pcm, sampleRate } = speech;
  const ports = { files, db };
  const sound = pcm.some((chunk) => chunk.length > 0) ? wav(pcm, sampleRate) : [];
  const written = await writeFile(ports, owner, pieces(sound), most);
  const row = await attach(ports, written, { filename: `speech-${turnId}.wav`, conversationId });
  return row.id;
}

async function* pieces(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

/** RIFF WAVE with the shortest header there is: format, then data. */
function wav(pcm: readonly Uint8Array[], sampleRate: number): Uint8Array[] {
  const size = pcm.reduce((sum, chunk) => sum + chunk.length, 0);
  const header = Buffer.alloc(44);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(36 + size, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(sampleRate, 24);
  header.writeUInt32LE(sampleRate * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(size, 40);
  return [header, ...pcm];
}
