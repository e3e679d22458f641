import { toBase64 } from '@parley/shared/bytes';

/** Mono samples from -1 to 1 as a WAV file (RIFF, 16-bit PCM) in a data URI. */
export function wavUri(pieces: readonly Float32Array[], sampleRate: number): string {
  const length = pieces.reduce((sum, { length }) => sum + length, 0);
  const file = new Uint8Array(44 + 2 * length);
  const view = new DataView(file.buffer);
  const text = (at: number, word: string): void => {
    for (let i = 0; i < word.length; i++) view.setUint8(at + i, word.charCodeAt(i));
  };
  text(0, 'RIFF');
  view.setUint32(4, file.length - 8, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, 2 * sampleRate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, 'data');
  view.setUint32(40, 2 * length, true);
  let at = 44;
  for (const samples of pieces) {
    for (const sample of samples) {
      view.setInt16(at, Math.max(-32_768, Math.min(32_767, Math.round(sample * 32_768))), true);
      at += 2;
    }
  }
  return `data:audio/wav;base64,${toBase64(file)}`;
}
