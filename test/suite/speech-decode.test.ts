import { checkAudio, type Decoder, makeDecoder } from '@parley/server/speech/decode';
import type { Sound } from '@parley/server/speech/port';
import { ParleyError } from '@parley/shared/reason';
import type { AudioFormat } from '@parley/shared/voice';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clip } from '../support/clip.ts';

const bounds = { maxSeconds: 60, maxBytes: 5 * 1024 * 1024 };
const containers = ['wav', 'mp3', 'm4a', 'aac', 'ogg', 'webm', 'flac'] as const;

let decoder: Decoder;
beforeAll(() => {
  decoder = makeDecoder({ threads: 1 });
});
afterAll(() => decoder.close());

const decode = (data: Uint8Array, format: AudioFormat, sampleRate?: number) =>
  decoder.decode(data, { format, sampleRate }, bounds);
const seconds = ({ samples, sampleRate }: Sound) => samples.length / sampleRate;

/** A WAV file of silence; what it says of itself can be anything. */
function wav(
  claims: { bytes?: number; channels?: number; rate?: number; bits?: number; block?: number; tag?: number } = {},
  bytes = 32_000,
): Uint8Array {
  const data = Buffer.alloc(44 + bytes);
  const { channels = 1, rate = 16_000, bits = 16 } = claims;
  data.write('RIFF', 0);
  data.writeUInt32LE(36 + bytes, 4);
  data.write('WAVEfmt ', 8);
  data.writeUInt32LE(16, 16);
  data.writeUInt16LE(claims.tag ?? 1, 20);
  data.writeUInt16LE(channels, 22);
  data.writeUInt32LE(rate, 24);
  data.writeUInt32LE(((rate * channels * bits) / 8) % 2 ** 32, 28);
  data.writeUInt16LE(claims.block ?? (channels * bits) / 8, 32);
  data.writeUInt16LE(bits, 34);
  data.write('data', 36);
  data.writeUInt32LE(claims.bytes ?? bytes, 40);
  return data;
}

/** A copy in which the fields of a box, counted from its name, say something else. */
function boxed(name: string, box: string, fields: Record<number, number>): Uint8Array {
  const data = Buffer.from(clip(name));
  const at = data.indexOf(box);
  for (const [offset, value] of Object.entries(fields)) data.writeUInt32BE(value, at + Number(offset));
  return data;
}

describe('decode', () => {
  it.each(containers)('brings %s to mono at 16 kHz, as long as it is', async (format) => {
    const sound = await decode(clip(`format.${format}`), format);
    expect(sound.sampleRate).toBe(16_000);
    expect(seconds(sound)).toBeCloseTo(2.8, 1);
    const original = await decode(clip('format.wav'), 'wav');
    const energy = (samples: Float32Array) => samples.reduce((sum, sample) => sum + sample * sample, 0);
    const share = energy(sound.samples) / energy(original.samples);
    // The MP3 is in stereo: encoders take such a one down by half.
    expect(share).toBeGreaterThan(0.4);
    expect(share).toBeLessThan(1.2);
  });

  it('takes a file in fragments, without an index', async () => {
    expect(seconds(await decode(clip('fragmented.m4a'), 'm4a'))).toBeCloseTo(2.8, 1);
  });

  it.each([8_000, 16_000, 24_000, 44_100, 48_000, 192_000])(
    'resamples a tone from %i a second and keeps its time and pitch',
    async (rate) => {
      const tone = Int16Array.from(
        { length: rate },
        (_, index) => 16_000 * Math.sin((2 * Math.PI * 1_000 * index) / rate),
      );
      const { samples } = await decode(new Uint8Array(tone.buffer), 'pcm_s16le', rate);
      expect(samples.length).toBeCloseTo(16_000, -2);
      const expected = (index: number) => (16_000 / 32_768) * Math.sin((2 * Math.PI * index) / 16);
      const worst = Math.max(
        ...samples.subarray(200, 15_800).map((sample, index) => Math.abs(sample - expected(index + 200))),
      );
      expect(worst).toBeLessThan(0.01);
    },
  );

  it('takes a view of a larger buffer, at an odd place', async () => {
    const file = clip('format.wav');
    const large = new Uint8Array(file.length + 1_001);
    large.set(file, 501);
    const sound = await decode(large.subarray(501, 501 + file.length), 'wav');
    expect(sound.samples).toEqual((await decode(file, 'wav')).samples);
  });

  it('leaves the bytes to who gave them', async () => {
    const data = clip('format.ogg');
    await decode(data, 'ogg');
    expect(data).toEqual(clip('format.ogg'));
  });

  it.each([
    ['192 kHz', wav({ rate: 192_000, bits: 16 }, 384_000), 1],
    ['eight channels', wav({ channels: 8 }, 256_000), 1],
    ['a length that was not known yet', wav({ bytes: 0xffffffff }), 1],
    ['another length that was not known yet', wav({ bytes: 0 }), 1],
    ['half a sample too many', wav({}, 32_001), 1],
    ['silence after what it declares', wav({ bytes: 16_000 }), 0.5],
  ])('takes a WAV file with %s', async (_, data, length) => {
    expect(seconds(await decode(data, 'wav'))).toBeCloseTo(length, 2);
  });

  it.each([
    ['no channels', wav({ channels: 0 })],
    ['a thousand channels', wav({ channels: 1_000 })],
    ['one sample a second', wav({ rate: 1 })],
    ['four billion samples a second', wav({ rate: 0xffffffff })],
    ['blocks that do not fit its samples', wav({ block: 3 })],
    ['no blocks', wav({ block: 0 })],
    ['twelve bits', wav({ bits: 12 })],
    ['an encoding that is none', wav({ tag: 0x55 })],
    ['more sound than there is', wav({ bytes: 64_000 })],
    ['no sound', wav({}, 0)],
    ['nothing but a beginning', wav().subarray(0, 30)],
  ])('refuses a WAV file with %s', async (_, data) => {
    await expect(decode(data, 'wav')).rejects.toMatchObject({ reason: 'TRANSCRIPTION_FAILED' });
  });

  it('refuses a WAV file that claims 100 MB', async () => {
    await expect(decode(wav({ bytes: 100_000_000 }), 'wav')).rejects.toMatchObject({ reason: 'PAYLOAD_TOO_LARGE' });
  });

  it.each(['flac', 'm4a', 'wav'] as const)('refuses %s of which the end is missing', async (format) => {
    const data = clip(`format.${format}`);
    for (const share of [0.1, 0.5, 0.8]) {
      const cut = data.subarray(0, Math.floor(data.length * share));
      await expect(decode(cut, format)).rejects.toMatchObject({ reason: 'TRANSCRIPTION_FAILED' });
    }
  });

  it.each(['mp3', 'aac', 'ogg', 'webm'] as const)('takes what is there of a stream of %s', async (format) => {
    const data = clip(`format.${format}`);
    const sound = await decode(data.subarray(0, Math.floor(data.length * 0.6)), format);
    expect(seconds(sound)).toBeGreaterThan(1);
    expect(seconds(sound)).toBeLessThan(2.4);
    await expect(decode(data.subarray(0, 8), format)).rejects.toMatchObject({
      reason: expect.stringMatching(/UNSUPPORTED_FORMAT|TRANSCRIPTION_FAILED/),
    });
  });

  it.each(['flac', 'm4a', 'aac', 'webm'] as const)(
    'refuses two hours of silence, packed small in %s, and does not decode them',
    async (format) => {
      const data = clip(`hours.${format}.gz`);
      expect(data.length).toBeLessThan(700_000);
      await expect(decode(data, format)).rejects.toMatchObject({
        reason: 'PAYLOAD_TOO_LARGE',
        details: { maxSeconds: 60 },
      });
    },
  );

  it('refuses two hours of silence whose file does not tell', async () => {
    const data = Buffer.from(clip('hours.flac.gz'));
    // The 36 bits of the number of samples.
    data.writeUInt8(data.readUInt8(21) & 0xf0, 21);
    data.writeUInt32BE(0, 22);
    await expect(decode(data, 'flac')).rejects.toMatchObject({ reason: 'PAYLOAD_TOO_LARGE' });
  });

  it.each([
    ['a table of two billion frames', boxed('format.m4a', 'stsz', { 8: 1, 12: 0x7fffffff }), 'PAYLOAD_TOO_LARGE'],
    ['a table that is larger than its box', boxed('format.m4a', 'stsz', { 12: 0x7fffffff }), 'TRANSCRIPTION_FAILED'],
    ['four billion chunks', boxed('format.m4a', 'stco', { 8: 0xffffffff }), 'TRANSCRIPTION_FAILED'],
    [
      'a fragment of four billion frames',
      boxed('fragmented.m4a', 'trun', { 4: 0, 8: 0xffffffff }),
      'PAYLOAD_TOO_LARGE',
    ],
    ['a length of a year', boxed('format.m4a', 'mdhd', { 16: 1, 20: 31_536_000 }), 'PAYLOAD_TOO_LARGE'],
    ['a box without an end', boxed('format.m4a', 'moov', { [-4]: 0x7fffffff }), 'TRANSCRIPTION_FAILED'],
  ])('refuses an MP4 file with %s', async (_, data, reason) => {
    await expect(decode(data, 'm4a')).rejects.toMatchObject({ reason });
  });

  it('takes a minute, and no more', async () => {
    const minute = new Uint8Array(60 * 32_000);
    expect(seconds(await decode(minute, 'pcm_s16le', 16_000))).toBe(60);
    const more = new Uint8Array(61 * 32_000);
    await expect(decode(more, 'pcm_s16le', 16_000)).rejects.toMatchObject({ reason: 'PAYLOAD_TOO_LARGE' });
  });

  it('refuses half a sample', async () => {
    await expect(decode(new Uint8Array(3_201), 'pcm_s16le', 16_000)).rejects.toMatchObject({
      reason: 'TRANSCRIPTION_FAILED',
    });
  });

  it('leaves the event loop free', async () => {
    let turns = 0;
    const counting = setInterval(() => turns++, 1);
    await expect(decode(clip('hours.webm.gz'), 'webm')).rejects.toBeInstanceOf(ParleyError);
    clearInterval(counting);
    expect(turns).toBeGreaterThan(2);
  });

  it('stops when it is aborted, and goes on with the next', async () => {
    const controller = new AbortController();
    const reason = new Error('nobody waits');
    const decoding = decoder.decode(clip('hours.webm.gz'), { format: 'webm' }, bounds, controller.signal);
    setImmediate(() => controller.abort(reason));
    await expect(decoding).rejects.toBe(reason);
    expect(seconds(await decode(clip('format.webm'), 'webm'))).toBeCloseTo(2.8, 1);
  });

  it('has a bound on what waits', async () => {
    const small = makeDecoder({ threads: 1, waiting: 2 });
    const all = await Promise.allSettled(
      Array.from({ length: 8 }, () => small.decode(clip('format.flac'), { format: 'flac' }, bounds)),
    );
    await small.close();
    const refused = all.filter(({ status }) => status === 'rejected');
    expect(refused.length).toBe(5);
    expect(refused[0]).toMatchObject({ reason: { reason: 'UNAVAILABLE' } });
  });

  it('answers damage of any kind with a reason', async () => {
    const files = new Map([...containers.map((format) => [format, clip(`format.${format}`)] as const)]);
    const damage = fc.array(fc.tuple(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.nat(255)), {
      maxLength: 30,
    });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...containers),
        damage,
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        async (format, changes, share) => {
          const data = Uint8Array.from(files.get(format) ?? []);
          // Most of what matters is at the beginning.
          for (const [place, value] of changes) data[Math.floor(place ** 3 * data.length)] = value;
          try {
            const { samples } = await decode(data.subarray(0, Math.ceil(share * data.length)), format);
            expect(samples.every((sample) => sample >= -1 && sample <= 1)).toBe(true);
          } catch (error) {
            if (!(error instanceof ParleyError)) throw error;
            expect(['TRANSCRIPTION_FAILED', 'UNSUPPORTED_FORMAT', 'PAYLOAD_TOO_LARGE']).toContain(error.reason);
            expect(error.cause).toBeUndefined();
          }
        },
      ),
      { numRuns: 150 },
    );
  }, 60_000);
});

describe('checkAudio', () => {
  const check = (data: Uint8Array, format: AudioFormat, sampleRate?: number) => {
    try {
      checkAudio(data, { format, sampleRate }, bounds);
      return 'taken';
    } catch (error) {
      if (!(error instanceof ParleyError)) throw error;
      return error.reason;
    }
  };

  it('knows every container by its bytes', () => {
    for (const real of containers) {
      for (const named of containers) {
        expect([real, named, check(clip(`format.${real}`), named)]).toEqual([
          real,
          named,
          real === named ? 'taken' : 'UNSUPPORTED_FORMAT',
        ]);
      }
    }
  });

  it('takes text, pages and pictures for no audio', () => {
    const others = [
      'My father was a farmer.',
      '<!doctype html><p>Hello</p>',
      '{"text":"hello"}',
      '\x89PNG\r\n\x1a\n0000',
      'PK\x03\x04',
    ];
    for (const text of others) {
      for (const format of containers) expect(check(Buffer.from(text, 'latin1'), format)).toBe('UNSUPPORTED_FORMAT');
    }
  });

  it('refuses what is empty, too large or without a rate', () => {
    expect(check(new Uint8Array(), 'wav')).toBe('INVALID_INPUT');
    expect(check(new Uint8Array(bounds.maxBytes + 1), 'pcm_s16le', 16_000)).toBe('PAYLOAD_TOO_LARGE');
    for (const rate of [undefined, 0, -1, 1.5, 3_999, 400_000, Number.NaN]) {
      expect(check(new Uint8Array(32), 'pcm_s16le', rate)).toBe('INVALID_INPUT');
    }
    expect(check(new Uint8Array(32), 'pcm_s16le', 16_000)).toBe('taken');
  });
});
