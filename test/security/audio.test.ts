import { newId } from '@parley/shared/id';
import { limits } from '@parley/shared/limits';
import type { AudioFormat } from '@parley/shared/voice';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { clip } from '../support/clip.ts';
import { base64 } from '../support/recording.ts';
import { failureOf, type HttpClient, httpClient, reasonOf } from '../support/stock.ts';
import { sampleRate, saying, silence, speech, startVoiceService, type VoiceService } from '../support/voice.ts';

let service: VoiceService;
let app: App;
let ada: HttpClient;
let conversationId: string;

beforeAll(async () => {
  service = await startVoiceService();
  app = await startApp({ env: { ...service.env, RATE_TURNS_PER_MINUTE: '0' } });
  ada = await app.http('ada');
  ({ id: conversationId } = await ada.conversations.create.mutate({}));
});
afterAll(async () => {
  await app.stop();
  await service.close();
});

/** A WAV file with other numbers in its header. */
function wav(change: (header: DataView) => void): Uint8Array {
  const bytes = clip('format.wav');
  change(new DataView(bytes.buffer, bytes.byteOffset));
  return bytes;
}

interface Audio {
  format: AudioFormat;
  data: Uint8Array;
  sampleRate?: number;
}

const half = (name: string): Uint8Array => clip(name).subarray(0, clip(name).length / 2);
const pcm = (data: Uint8Array, rate = sampleRate): Audio => ({ format: 'pcm_s16le', sampleRate: rate, data });

const bad: [string, string, () => Audio][] = [
  ['nothing', 'INVALID_INPUT', () => ({ format: 'wav', data: new Uint8Array() })],
  ['raw samples without a rate', 'INVALID_INPUT', () => ({ format: 'pcm_s16le', data: silence() })],
  ['raw samples at no rate', 'INVALID_INPUT', () => pcm(silence(), 7)],
  ['half a sample', 'TRANSCRIPTION_FAILED', () => pcm(new Uint8Array(1_001))],
  ['half a WAV file', 'TRANSCRIPTION_FAILED', () => ({ format: 'wav', data: half('format.wav') })],
  ['half a FLAC file', 'TRANSCRIPTION_FAILED', () => ({ format: 'flac', data: half('format.flac') })],
  ['half an M4A file', 'TRANSCRIPTION_FAILED', () => ({ format: 'm4a', data: half('format.m4a') })],
  [
    'a header and no sound',
    'TRANSCRIPTION_FAILED',
    () => ({ format: 'ogg', data: clip('format.ogg').subarray(0, 100) }),
  ],
  ['M4A called MP3', 'UNSUPPORTED_FORMAT', () => ({ format: 'mp3', data: clip('format.m4a') })],
  ['WebM called Ogg', 'UNSUPPORTED_FORMAT', () => ({ format: 'ogg', data: clip('format.webm') })],
  [
    'text',
    'UNSUPPORTED_FORMAT',
    () => ({ format: 'mp3', data: Buffer.from('Dear diary, today was long. '.repeat(50)) }),
  ],
  ['a page', 'UNSUPPORTED_FORMAT', () => ({ format: 'webm', data: Buffer.from('<html><body>hello</body></html>') })],
  [
    'a header that claims 100 MB',
    'PAYLOAD_TOO_LARGE',
    () => ({ format: 'wav', data: wav((v) => v.setUint32(40, 100e6, true)) }),
  ],
  [
    'a header that claims 40 s',
    'TRANSCRIPTION_FAILED',
    () => ({ format: 'wav', data: wav((v) => v.setUint32(40, 40 * 32_000, true)) }),
  ],
  [
    'a header that claims 99 channels',
    'TRANSCRIPTION_FAILED',
    () => ({ format: 'wav', data: wav((v) => v.setUint16(22, 99, true)) }),
  ],
  [
    'a header that contradicts itself',
    'TRANSCRIPTION_FAILED',
    () => ({ format: 'wav', data: wav((v) => v.setUint16(32, 7, true)) }),
  ],
  ['two hours of silence as FLAC', 'PAYLOAD_TOO_LARGE', () => ({ format: 'flac', data: clip('hours.flac.gz') })],
  ['two hours of silence as WebM', 'PAYLOAD_TOO_LARGE', () => ({ format: 'webm', data: clip('hours.webm.gz') })],
  ['two hours of silence as M4A', 'PAYLOAD_TOO_LARGE', () => ({ format: 'm4a', data: clip('hours.m4a.gz') })],
  ['two hours of silence as AAC', 'PAYLOAD_TOO_LARGE', () => ({ format: 'aac', data: clip('hours.aac.gz') })],
  ['61 s', 'PAYLOAD_TOO_LARGE', () => pcm(new Uint8Array(61 * 16_000), 8_000)],
  ['5 MB and a byte', 'PAYLOAD_TOO_LARGE', () => pcm(new Uint8Array(limits.segmentBytes + 1), 192_000)],
  ['5.2 MB', 'PAYLOAD_TOO_LARGE', () => pcm(new Uint8Array(limits.segmentBytes + 200_000), 192_000)],
];

/** Bytes in the database that hold sound. */
async function kept(): Promise<number> {
  const rows = await app.database.db.selectFrom('segment_audio').select('segment_id').execute();
  return rows.length;
}

describe.each(bad)('%s', (_, reason, make) => {
  it(`is ${reason} as a segment, as a whole recording and to be transcribed`, async () => {
    const { data: bytes, ...audio } = make();
    const data = base64(bytes);
    const voiceSessionId = newId();
    const before = await kept();
    const asked = service.requests.length;
    const calls = [
      () => ada.voice.sendSegment.mutate({ conversationId, voiceSessionId, index: 0, ...audio, data }),
      () => ada.voice.sendMessage.mutate({ conversationId, ...audio, data }),
      () => ada.voice.transcribe.mutate({ ...audio, data }),
    ];
    for (const call of calls) {
      const failure = await failureOf(call());
      expect(failure.reason).toBe(reason);
      expect(failure.message).not.toMatch(/wav|decod|stack|\//i);
    }
    // What cannot be decoded stays until its client sends it anew; what may not be sent was never stored.
    expect((await kept()) - before).toBe(reason === 'TRANSCRIPTION_FAILED' ? 1 : 0);
    expect(service.requests.length).toBe(asked);
  });
});

describe('a segment', () => {
  const call = async (input: object): Promise<{ reason: string | undefined; paths: string[] }> => {
    const body = JSON.stringify({
      json: { conversationId, format: 'pcm_s16le', sampleRate, data: base64(silence()), ...input },
    });
    const headers = { authorization: `Bearer ${await app.token('ada')}`, 'content-type': 'application/json' };
    const response = await fetch(`${app.url}/trpc/voice.sendSegment`, { method: 'POST', headers, body });
    const { error } = await response.json();
    const issues: { path: string }[] = error?.json.data.details?.issues ?? [];
    return { reason: error?.json.data.reason, paths: issues.map(({ path }) => path) };
  };

  it.each<[string, object, string]>([
    ['index -1', { index: -1 }, 'index'],
    ['index 1.5', { index: 1.5 }, 'index'],
    ['index "3"', { index: '3' }, 'index'],
    ['index 1000', { index: 1_000 }, 'index'],
    ['index null', { index: null }, 'index'],
    ['no index', { index: undefined }, 'index'],
    ['no voice session', { voiceSessionId: undefined }, 'voiceSessionId'],
    ['a blank voice session', { voiceSessionId: ' \n ' }, 'voiceSessionId'],
    ['a voice session of 201 characters', { voiceSessionId: 'x'.repeat(201) }, 'voiceSessionId'],
    ['a format that is none', { format: 'exe' }, 'format'],
    ['data that is not base64', { data: 'äöü' }, 'data'],
    ['data that is a number', { data: 7 }, 'data'],
    ['a duration that is none', { durationMs: 0 }, 'durationMs'],
  ])('with %s is INVALID_INPUT, which says where', async (_, input, path) => {
    const { reason, paths } = await call({ voiceSessionId: newId(), index: 0, ...input });
    expect([reason, paths]).toEqual(['INVALID_INPUT', [path]]);
  });

  it('may be numbered up to 999', async () => {
    expect(await call({ voiceSessionId: newId(), index: limits.segmentIndex })).toEqual({
      reason: undefined,
      paths: [],
    });
  });

  it('is refused when its voice session is longer than 30 minutes with it, and only then', async () => {
    const voiceSessionId = newId();
    const send = (index: number, seconds: number) =>
      ada.voice.sendSegment.mutate({
        conversationId,
        voiceSessionId,
        index,
        ...pcm(new Uint8Array(0)),
        data: base64(silence(seconds)),
      });
    await send(0, 0.5);
    // As if it had been half an hour but for a second.
    await app.database.db
      .updateTable('segments')
      .set({ duration_ms: (limits.voiceSessionSeconds - 1) * 1_000, status: 'silent' })
      .where('voice_session_id', '=', voiceSessionId)
      .execute();
    expect(await failureOf(send(1, 1.1))).toMatchObject({ reason: 'PAYLOAD_TOO_LARGE', details: { seconds: 1_800 } });
    expect(await send(1, 0.9)).toMatchObject({ status: 'accepted' });
    expect(await reasonOf(send(2, 0.2))).toBe('PAYLOAD_TOO_LARGE');
  });
});

describe('bytes', () => {
  it.each([
    ['as plain base64', undefined],
    ['as the custom type of superjson', { values: { data: [['custom', 'bytes']] } }],
  ])('are taken %s', async (_, meta) => {
    const json = { format: 'pcm_s16le', sampleRate, data: base64(speech(3)) };
    const headers = { authorization: `Bearer ${await app.token('ada')}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ json, ...(meta && { meta }) });
    const response = await fetch(`${app.url}/trpc/voice.transcribe`, { method: 'POST', headers, body });
    expect(await response.json()).toMatchObject({ result: { data: { json: { text: saying(3), durationMs: 300 } } } });
  });

  it('are not taken in the way that superjson has for typed arrays', async () => {
    const json = { format: 'pcm_s16le', sampleRate, data: [...speech(3).subarray(0, 100)] };
    const meta = { values: { data: [['typed-array', 'Uint8Array']] } };
    const headers = { authorization: `Bearer ${await app.token('ada')}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ json, meta });
    const response = await fetch(`${app.url}/trpc/voice.transcribe`, { method: 'POST', headers, body });
    expect(await response.json()).toMatchObject({ error: { json: { data: { reason: 'INVALID_INPUT' } } } });
  });
});

describe('a credential', () => {
  it('without the scope voice may not send, transcribe, begin or cancel a recording', async () => {
    const token = await app.token('ada', { scope: ['chat', 'files'] });
    const writer = httpClient(app.url, { authorization: `Bearer ${token}` });
    const voiceSessionId = newId();
    const audio = { ...pcm(new Uint8Array()), data: base64(speech(4)) };
    const calls = [
      writer.voice.sendSegment.mutate({ conversationId, voiceSessionId, index: 0, ...audio }),
      writer.voice.sendMessage.mutate({ conversationId, ...audio }),
      writer.voice.transcribe.mutate(audio),
      writer.voice.recordingStarted.mutate({ conversationId, voiceSessionId }),
      writer.voice.cancelRecording.mutate({ conversationId, voiceSessionId }),
    ];
    for (const call of calls)
      expect(await failureOf(call)).toMatchObject({ reason: 'SCOPE_MISSING', details: { scope: 'voice' } });
    expect(service.heard(4)).toEqual([]);
  });

  it('of another user does not reach a conversation, which is as if there were none', async () => {
    const eve = await app.http('eve');
    const voiceSessionId = newId();
    const audio = { ...pcm(new Uint8Array()), data: base64(speech(5)) };
    const failures = await Promise.all(
      [conversationId, newId()].map(async (id) => [
        await failureOf(eve.voice.sendSegment.mutate({ conversationId: id, voiceSessionId, index: 0, ...audio })),
        await failureOf(eve.voice.sendMessage.mutate({ conversationId: id, ...audio })),
        await failureOf(eve.voice.recordingStarted.mutate({ conversationId: id, voiceSessionId })),
        await failureOf(eve.voice.cancelRecording.mutate({ conversationId: id, voiceSessionId })),
      ]),
    );
    const told = failures.map((list) => list.map(({ reason, message, details }) => ({ reason, message, details })));
    expect(told[0]).toEqual(told[1]);
    expect(told[0]?.map(({ reason }) => reason)).toEqual(['NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND']);
    expect(service.heard(5)).toEqual([]);
  });
});
