const encoder = typeof TextEncoder === 'function' ? new TextEncoder() : undefined;
const decoder =
  typeof TextDecoder === 'function' ? new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }) : undefined;

/** Text as UTF-8, also where there is no TextEncoder. Half a surrogate pair becomes U+FFFD, as there. */
export const encodeUtf8 = (text: string): Uint8Array<ArrayBuffer> => (encoder ? encoder.encode(text) : encode(text));

/**
 * Strictly, also where there is no TextDecoder, as in React Native.
 * @throws TypeError when the bytes are not UTF-8
 */
export const decodeUtf8 = (bytes: Uint8Array): string => (decoder ? decoder.decode(bytes) : decode(bytes));

function encode(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length * 3);
  let at = 0;
  for (const character of text) {
    const found = character.codePointAt(0) ?? 0;
    const point = found >= 0xd800 && found <= 0xdfff ? 0xfffd : found;
    if (point < 0x80) bytes[at++] = point;
    else {
      const more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
      bytes[at++] = ((0xff00 >> (more + 1)) & 0xff) | (point >> (6 * more));
      for (let left = more - 1; left >= 0; left--) bytes[at++] = 0x80 | ((point >> (6 * left)) & 0x3f);
    }
  }
  return bytes.slice(0, at);
}

/** How many code units are made into text at a time: all at once would be too many arguments. */
const mostUnits = 4_096;
/** The least code point that needs as many bytes after the first; less would have a shorter form. */
const least: readonly number[] = [0, 0x80, 0x800, 0x10000];

function decode(bytes: Uint8Array): string {
  const pieces: string[] = [];
  let units: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at++] ?? 0;
    const more = first < 0x80 ? 0 : first < 0xc0 ? -1 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf8 ? 3 : -1;
    if (more < 0) throw malformed();
    let point = more === 0 ? first : first & (0x3f >> more);
    for (let left = more; left > 0; left--) {
      const next = bytes[at++] ?? 0;
      if ((next & 0xc0) !== 0x80) throw malformed();
      point = (point << 6) | (next & 0x3f);
    }
    if (point < (least[more] ?? 0) || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) throw malformed();
    if (point < 0x10000) units.push(point);
    else units.push(0xd800 + ((point - 0x10000) >> 10), 0xdc00 + (point & 0x3ff));
    if (units.length >= mostUnits) {
      pieces.push(String.fromCharCode(...units));
      units = [];
    }
  }
  pieces.push(String.fromCharCode(...units));
  return pieces.join('');
}

function malformed(): TypeError {
  return new TypeError('The bytes are not UTF-8.');
}
