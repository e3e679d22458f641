import { ParleyFailure } from '@parley/client/failure';
import { pcmSource } from '@parley/client/recorder/source';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { collect, parleyOf, textOf } from '../support/parley.ts';
import { type Gate, gate } from '../support/provider.ts';
import { transcript } from '../support/speech-provider.ts';
import { sampleRate, saying, silence, speech, startVoiceService, type VoiceService } from '../support/voice.ts';

let service: VoiceService;
let app: App;
beforeAll(async () => {
  service = await startVoiceService();
  app = await startApp({ env: { ...service.env, VOICE_MISSING_MS: '1000', VOICE_LISTENING_MS: '300' } });
});
afterAll(async () => {
  await app?.stop();
  await service?.close();
});

/** Answers a request for this transcript when it is let go. */
function slow(number: number): Gate {
  const hold = gate();
  const { headers, steps } = transcript(saying(number));
  service.hear(number, { ...(headers && { headers }), steps: [hold, ...steps] });
  return hold;
}

test('a recording is followed from when the server has it, long before its turn is there', async () => {
  const parley = await parleyOf(app, 'ann');
  const conversation = await parley.conversations.create();
  const hold = slow(1);
  const source = pcmSource({ sampleRate });
  const recorder = conversation.record({ source });
  await recorder.start();
  source.push(new Int16Array(speech(1).buffer));
  const recorded = await recorder.stop();
  await expect(parley.trpc.turns.get.query({ turnId: recorded.turnId })).rejects.toThrow();
  const turn = conversation.recording(recorded);
  const plain = conversation.turn(recorded.turnId, { expected: true, input: 'voice' });
  // Asked for at once, and not found.
  await until(() => app.log.filter((line) => line.includes('turns.get')).length >= 3);
  hold.release();
  const events = await collect(turn);
  expect(events.map(({ type }) => type)).toEqual(expect.arrayContaining(['transcript.partial', 'turn.started']));
  expect(events.at(-1)?.type).toBe('turn.completed');
  expect(textOf(events)).toContain(saying(1));
  expect(await plain.text()).toBe(textOf(events));
});

test.each([
  ['silence', 'NO_SPEECH'],
  ['a part that is missing', 'SEGMENTS_MISSING'],
] as const)('%s ends it with %s', async (what, reason) => {
  const parley = await parleyOf(app, 'ann');
  const conversation = await parley.conversations.create();
  const { turnId } = await parley.trpc.voice.sendSegment.mutate({
    conversationId: conversation.id,
    voiceSessionId: 'session',
    index: reason === 'NO_SPEECH' ? 0 : 1,
    isLast: true,
    format: 'pcm_s16le',
    sampleRate,
    data: reason === 'NO_SPEECH' ? silence() : speech(2),
  });
  expect(what).toBeTruthy();
  const turn = conversation.recording({ turnId: turnId ?? '', voiceSessionId: 'session' });
  expect(await turn.done).toMatchObject({ type: 'turn.failed', code: reason });
  await expect(turn.text()).rejects.toBeInstanceOf(ParleyFailure);
});

test('a turn that is not expected is not found', async () => {
  const parley = await parleyOf(app, 'ann');
  const conversation = await parley.conversations.create();
  const turn = conversation.turn('019a0000-0000-7000-8000-000000000000');
  await expect(turn.done).rejects.toMatchObject({ reason: 'NOT_FOUND' });
});

test('a whole recording is said in one call', async () => {
  const parley = await parleyOf(app, 'ann');
  const conversation = await parley.conversations.create();
  const recorded = await conversation.speak({ format: 'pcm_s16le', sampleRate, data: speech(3) });
  expect(await conversation.recording(recorded).text()).toContain(saying(3));
  const { items } = await conversation.messages();
  expect(items[0]).toMatchObject({ role: 'human', kind: 'audio', turnId: recorded.turnId });
});

test('a conversation is renamed, exported, ended and deleted by its handle', async () => {
  const parley = await parleyOf(app, 'ann');
  const conversation = await parley.conversations.create();
  await conversation.send('hello').text();
  expect(await conversation.rename('A talk')).toMatchObject({ title: 'A talk' });
  expect((await conversation.export()).messages).toHaveLength(2);
  expect(await conversation.interrupt()).toBe(false);
  expect(await conversation.stopSpeaking()).toBe(false);
  expect(await conversation.end()).toMatchObject({ status: 'ended' });
  await expect(conversation.post('more')).rejects.toMatchObject({ reason: 'CONVERSATION_ENDED' });
  expect((await parley.conversations.list({ search: 'A talk' })).items.map(({ id }) => id)).toEqual([conversation.id]);
  await conversation.delete();
  expect((await parley.conversations.list({ search: 'A talk' })).total).toBe(0);
});

async function until(fits: () => boolean): Promise<void> {
  await expect.poll(fits, { timeout: 20_000 }).toBe(true);
}
