const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const values = new Int16Array(256).fill(-1);
for (let i = 0; i < alphabet.length; i++) values[alphabet.charCodeAt(i)] = i;
values['-'.charCodeAt(0)] = 62;
values['_'.charCodeAt(0)] = 63;

/** Base64 (RFC 4648, section 4) with padding. Works where neither Buffer nor btoa exists. */
export function toBase64(bytes: Uint8Array): string {
  if (typeof bytes.toBase64 === 'function') return bytes.toBase64();
  const pieces: string[] = [];
  for (let i = 0; i < bytes.length; i += 3) {
    const a = bytes[i] ?? 0;
    const b = bytes[i + 1] ?? 0;
    const c = bytes[i + 2] ?? 0;
    const left = bytes.length - i;
    pieces.push(
      alphabet.charAt(a >> 2) +
        alphabet.charAt(((a & 3) << 4) | (b >> 4)) +
        (left > 1 ? alphabet.charAt(((b & 15) << 2) | (c >> 6)) : '=') +
        (left > 2 ? alphabet.charAt(c & 63) : '='),
    );
  }
  return pieces.join('');
}

/** The bytes of a base64 or base64url text, padded or not; undefined when it is neither. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  let length = text.length;
  while (length > 0 && length > text.length - 2 && text.charAt(length - 1) === '=') length--;
  if (length % 4 === 1 || (length < text.length && text.length % 4 !== 0)) return undefined;
  const size = Math.floor((length * 3) / 4);
  return native(text, size) ?? decode(text, length, size);
}

/** What the engine makes of it, where it can. It reads over whitespace, which is not base64 here: then the size differs. */
function native(text: string, size: number): Uint8Array<ArrayBuffer> | undefined {
  if (typeof Uint8Array.fromBase64 !== 'function') return undefined;
  try {
    const bytes = Uint8Array.fromBase64(text);
    return bytes.length === size ? bytes : undefined;
  } catch {
    return undefined;
  }
}

function decode(text: string, length: number, size: number): Uint8Array<ArrayBuffer> | undefined {
  const out = new Uint8Array(size);
  let at = 0;
  let buffer = 0;
  let bits = 0;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    const value = values[code] ?? -1;
    if (value < 0) return undefined;
    buffer = ((buffer << 6) | value) & 0xffffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out[at++] = (buffer >> bits) & 0xff;
    }
  }
  return out;
}
