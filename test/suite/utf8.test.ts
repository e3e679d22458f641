import { decodeUtf8, encodeUtf8 } from '@parley/shared/utf8';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

const NativeEncoder = TextEncoder;
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** What a run of the platform's own coder gives, or that it refuses. */
function attempt(decode: (bytes: Uint8Array) => string, bytes: Uint8Array): string | undefined {
  try {
    return decode(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError);
    return undefined;
  }
}

const ways = ['with the platform', 'without TextEncoder and TextDecoder'] as const;

describe.each(ways)('UTF-8 %s', (way) => {
  let utf8 = { decodeUtf8, encodeUtf8 };
  beforeEach(async () => {
    if (way === 'with the platform') return;
    vi.resetModules();
    vi.stubGlobal('TextEncoder', undefined);
    vi.stubGlobal('TextDecoder', undefined);
    utf8 = await import('@parley/shared/utf8');
  });
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  test('encodes as the Encoding Standard does', () => {
    const native = new NativeEncoder();
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.array(fc.integer({ min: 0, max: 0xffff })), (text, units) => {
        const odd = text + String.fromCharCode(...units);
        expect(utf8.encodeUtf8(odd)).toEqual(native.encode(odd));
      }),
    );
  });

  test('gives back what was encoded, longer texts too', () => {
    const long = 'grüße 世界 🦜\u{10FFFF}\uFEFF\0'.repeat(5_000);
    expect(utf8.decodeUtf8(utf8.encodeUtf8(long))).toBe(long);
    expect(utf8.decodeUtf8(new Uint8Array(0))).toBe('');
  });

  test('refuses what is not UTF-8', () => {
    const bad = [
      [0x80],
      [0xc3],
      [0xc0, 0x80],
      [0xe0, 0x9f, 0xbf],
      [0xed, 0xa0, 0x80],
      [0xf0, 0x8f, 0xbf, 0xbf],
      [0xf4, 0x90, 0x80, 0x80],
      [0xf8, 0x88, 0x80, 0x80, 0x80],
      [0xff],
      [0x61, 0xe4, 0xb8],
    ];
    for (const bytes of bad) expect(() => utf8.decodeUtf8(Uint8Array.from(bytes)), `${bytes}`).toThrow(TypeError);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 8 }), (bytes) => {
        expect(attempt(utf8.decodeUtf8, bytes)).toBe(attempt((each) => strict.decode(each), bytes));
      }),
      { numRuns: 2_000 },
    );
  });
});
