import { textOf } from '@parley/shared/message';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { answer, gate, type Script, type Step } from '../support/provider.ts';
import { base64, recording } from '../support/recording.ts';
import { pcm, type SpeechRequest, tone } from '../support/speech-provider.ts';
import { failureOf, type SocketClient } from '../support/stock.ts';
import { sampleRate, saying, speech, spokenMs, startVoiceService, type VoiceService } from '../support/voice.ts';
import { type Watch, watch } from '../support/watch.ts';

// Speech services that take a request and then say nothing more, or never come to an end.
//
// Guards: each of the three deadlines, as the environment gives them; the end of the request that is not waited for; the end of
// patience with a service that answers to nothing.

let service: VoiceService;
/** By when all of an answer is to be there: `late` is later than any test lasts, so that it is not what ends a silence. */
let apps: Record<'late' | 'soon', App>;

beforeAll(async () => {
  service = await startVoiceService();
  const start = (TOTAL_MS: string): Promise<App> => {
    const env = { ...service.env };
    for (const part of ['STT', 'TTS'])
      for (const [name, ms] of Object.entries({ FIRST_BYTE_MS: '1000', IDLE_MS: '1000', TOTAL_MS }))
        env[`${part}_${name}`] = ms;
    return startApp({ env });
  };
  const [late, soon] = await Promise.all([start('60000'), start('2500')]);
  apps = { late, soon };
});
afterAll(async () => {
  await Promise.all(Object.values(apps).map((app) => app.stop()));
  await service.close();
});

async function begin(app: App): Promise<{ ada: SocketClient; watched: Watch; conversationId: string }> {
  const ada = await app.trpc('ada');
  const { id: conversationId } = await ada.conversations.create.mutate({});
  const watched = watch(ada, { conversationId });
  await watched.started;
  return { ada, watched, conversationId };
}

/** A little every so often, for longer than all of it may take. */
const drip = (piece: Step): Step[] => Array.from({ length: 20 }, () => [piece, { pauseMs: 300 }]).flat();
const json = (...steps: Step[]): Script => ({ headers: { 'content-type': 'application/json' }, steps });
/** What is said by whom no answer came to an end. */
const given = (requests: readonly SpeechRequest[]) => Promise.all(requests.map(({ ended }) => ended));

describe('a service that hears and', () => {
  const stalls: [string, keyof typeof apps, Script[]][] = [
    ['does not begin to answer', 'late', [json(gate()), json(gate())]],
    ['falls silent in its answer', 'late', [json('{"text":"Pie', gate())]],
    ['never ends', 'soon', [json('{"text":"', ...drip('x'))]],
  ];

  it.each(stalls)(
    '%s fails the recording, whose segment stays and is healed by sending it again',
    async (_, by, scripts) => {
      service.forget();
      const { ada, watched, conversationId } = await begin(apps[by]);
      const take = recording(ada, conversationId);
      const asked = service.heard(31).length;
      service.hear(31, ...scripts);
      const sound = speech(31);
      const { turnId = '' } = await take.send(0, { sound, isLast: true });
      expect(await watched.end(turnId)).toMatchObject({
        type: 'turn.failed',
        code: 'TRANSCRIPTION_FAILED',
        retryable: true,
        details: { segments: [0] },
      });
      expect(await given(service.heard(31).slice(asked))).toEqual(scripts.map(() => 'aborted'));
      const [row] = await apps[by].database.db
        .selectFrom('segments')
        .innerJoin('segment_audio', 'segment_audio.segment_id', 'segments.id')
        .select(['segments.status', 'segment_audio.data'])
        .where('voice_session_id', '=', take.voiceSessionId)
        .execute();
      expect(row).toEqual({ status: 'failed', data: Buffer.from(sound) });
      const again = await take.send(0, { sound, isLast: true });
      expect(again).toMatchObject({ status: 'accepted', missing: [] });
      expect((await watched.end(again.turnId ?? '')).type).toBe('turn.completed');
      const { items } = await ada.conversations.messages.query({ conversationId });
      expect(textOf(items[0]?.parts ?? [])).toBe(saying(31));
    },
  );

  it.each(stalls)('%s is STT_UNAVAILABLE to who sends a whole recording', async (_, by, scripts) => {
    service.forget();
    const { ada, watched, conversationId } = await begin(apps[by]);
    const sound = { format: 'pcm_s16le', sampleRate, data: base64(speech(32)) } as const;
    service.hear(32, ...scripts);
    const message = { conversationId, ...sound };
    const failure = await failureOf(ada.voice.sendMessage.mutate(message));
    expect(failure).toMatchObject({ reason: 'STT_UNAVAILABLE', retryable: true });
    expect((await ada.conversations.messages.query({ conversationId })).items).toEqual([]);
    expect(watched.types).toEqual([]);
    const { turnId } = await ada.voice.sendMessage.mutate(message);
    expect((await watched.end(turnId)).type).toBe('turn.completed');
  });
});

describe('a service that speaks and', () => {
  it.each<[string, keyof typeof apps, Script[], number]>([
    ['does not begin a sentence', 'late', [pcm(gate()), pcm(gate())], 0],
    ['falls silent in a sentence', 'late', [pcm(tone(0.1), gate())], 0.1 * 48_000],
    ['never ends a sentence', 'soon', [pcm(...drip(tone(0.02)))], -1],
  ])('%s fails that one, and the rest goes on', async (_, by, scripts, bytes) => {
    service.forget();
    const sentences = ['One is here. ', 'Two is there. ', 'Three is done.'];
    const { ada, watched, conversationId } = await begin(apps[by]);
    const asked = service.spoken('Two').length;
    service.speak('Two', ...scripts);
    apps[by].provider.script(answer(...sentences));
    const parts = [{ type: 'text' as const, text: 'tell me' }];
    const { turnId } = await ada.turns.send.mutate({ conversationId, parts, speak: true });
    expect((await watched.end(turnId)).type).toBe('turn.completed');
    expect(watched.all('agent.audioFailed', turnId)).toMatchObject([{ sentence: 1, reason: 'TTS_UNAVAILABLE' }]);
    const failed = watched.types.indexOf('agent.audioFailed');
    expect(watched.types.indexOf('agent.audio', failed)).toBeGreaterThan(failed);
    const sounds = watched.all('agent.audio', turnId);
    const bytesOf = (number: number): number =>
      sounds
        .filter(({ sentence }) => sentence === number)
        .reduce((sum, { data }) => sum + Buffer.from(String(data), 'base64').length, 0);
    for (const [number, text] of sentences.entries())
      if (number !== 1) expect(bytesOf(number), text).toBe(spokenMs(text) * 48);
    if (bytes >= 0) expect(bytesOf(1)).toBe(bytes);
    else expect(bytesOf(1)).toBeGreaterThan(0);
    expect(await given(service.spoken('Two').slice(asked))).toEqual(scripts.map(() => 'aborted'));
    const { items } = await ada.conversations.messages.query({ conversationId });
    expect(items.at(-1)).toMatchObject({ role: 'agent', status: 'complete' });
    expect(textOf(items.at(-1)?.parts ?? [])).toBe(sentences.join(''));
  });

  it('does not begin any sentence holds up no answer for longer than the first of them', async () => {
    service.forget();
    const numbers = Array.from({ length: 12 }, (_, index) => index);
    const { ada, watched, conversationId } = await begin(apps.late);
    const [before, hold] = [service.requests.length, gate()];
    service.speak('Mute', ...numbers.flatMap(() => [pcm(hold), pcm(hold)]));
    apps.late.provider.script(answer(...numbers.map((number) => `Mute is number ${number} of all. `)));
    const parts = [{ type: 'text' as const, text: 'tell me' }];
    const { turnId } = await ada.turns.send.mutate({ conversationId, parts, speak: true });
    expect((await watched.end(turnId)).type).toBe('turn.completed');
    const failures = watched.all('agent.audioFailed', turnId);
    expect(failures.map(({ sentence }) => sentence)).toEqual(numbers);
    expect(new Set(failures.map(({ reason }) => reason))).toEqual(new Set(['TTS_UNAVAILABLE']));
    // Three at once, each tried again, and what begins as the first of them ends.
    expect(service.requests.length - before).toBeLessThanOrEqual(8);
    expect(await given(service.spoken('Mute'))).not.toContain('complete');
    const { items } = await ada.conversations.messages.query({ conversationId });
    expect(items.at(-1)).toMatchObject({ role: 'agent', status: 'complete' });
  });
});
