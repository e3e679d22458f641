/** The seconds that a FLAC file's STREAMINFO block declares (RFC 9639, 8.2); `undefined` when it leaves them open. */
export function flacSeconds(data: Uint8Array): number | undefined {
  if (data.length < 26) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const sampleRate = view.getUint32(18) >>> 12;
  const samples = (view.getUint8(21) & 15) * 2 ** 32 + view.getUint32(22);
  return samples === 0 || sampleRate === 0 ? undefined : samples / sampleRate;
}
