import { newId } from '@parley/shared/id';
import { textOf } from '@parley/shared/message';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { answer, gate, refusal } from '../support/provider.ts';
import { base64, recording } from '../support/recording.ts';
import { streamedTranscript } from '../support/speech-provider.ts';
import { failureOf, reasonOf, type SocketClient } from '../support/stock.ts';
import { sampleRate, saying, silence, speech, startVoiceService, type VoiceService } from '../support/voice.ts';
import { watch } from '../support/watch.ts';

let service: VoiceService;
let app: App;
let ada: SocketClient;

beforeAll(async () => {
  service = await startVoiceService();
  app = await startApp({ env: service.env });
  ada = await app.trpc('ada');
});
afterAll(async () => {
  await app.stop();
  await service.close();
});

async function begin() {
  const { id: conversationId } = await ada.conversations.create.mutate({});
  const watched = watch(ada, { conversationId });
  await watched.started;
  return { conversationId, watched };
}

const spoken = (number: number) => ({ format: 'pcm_s16le' as const, sampleRate, data: base64(speech(number)) });
const messages = async (conversationId: string) => (await ada.conversations.messages.query({ conversationId })).items;

describe('a whole recording', () => {
  it('is a turn by voice, answered aloud, with all that was measured', async () => {
    const { conversationId, watched } = await begin();
    app.provider.script(answer('That is good to hear. ', 'And then?'));
    const sent = await ada.voice.sendMessage.mutate({ conversationId, ...spoken(1) });
    expect(sent.duplicate).toBe(false);
    await watched.end(sent.turnId);
    expect(watched.types.slice(0, 3)).toEqual(['turn.started', 'transcript.final', 'message.saved']);
    const [human, agent] = await messages(conversationId);
    const { userMessageId: id, voiceSessionId } = sent;
    expect(human).toMatchObject({ id, voiceSessionId, kind: 'audio', durationMs: 300 });
    expect(textOf(human?.parts ?? [])).toBe(saying(1));
    expect(textOf(agent?.parts ?? [])).toBe('That is good to hear. And then?');
    const metrics = await watched.first('turn.metrics', sent.turnId);
    expect(metrics).toMatchObject({
      audioSeconds: 0.3,
      ttsCharacters: 'That is good to hear.And then?'.length,
      stt: 'openai/ears',
      tts: 'openai/mouth',
      llm: 'openai/echo',
      tokensIn: 7,
      tokensOut: 2,
    });
    for (const name of [
      'sttMs',
      'firstDeltaMs',
      'firstSentenceMs',
      'firstAudioMs',
      'llmMs',
      'ttsMs',
      'totalMs',
    ] as const)
      expect(metrics[name], name).toBeGreaterThan(0);
    const { firstDeltaMs = 0, firstSentenceMs = 0, firstAudioMs = 0, totalMs } = metrics;
    const marks = [firstDeltaMs, firstSentenceMs, firstAudioMs, totalMs];
    expect(marks).toEqual(marks.toSorted((a, b) => a - b));
    expect((await ada.turns.get.query({ turnId: sent.turnId })).metrics).toMatchObject({ stt: 'openai/ears' });
  });

  // Guard: `storable` in `transcribe`.
  it('is understood without what cannot be stored', async () => {
    const { conversationId } = await begin();
    service.hear(3, streamedTranscript(['Well\0, ', 'half \ud83d.']));
    await ada.voice.sendMessage.mutate({ conversationId, ...spoken(3), speak: false });
    const [human] = await messages(conversationId);
    expect(textOf(human?.parts ?? [])).toBe('Well, half \ufffd.');
  });

  it('is not answered aloud when that is not wanted, and a text is when it is', async () => {
    const { conversationId, watched } = await begin();
    const quiet = await ada.voice.sendMessage.mutate({ conversationId, ...spoken(2), speak: false });
    await watched.end(quiet.turnId);
    const parts = [{ type: 'text' as const, text: 'in writing' }];
    const written = await ada.turns.send.mutate({ conversationId, parts });
    await watched.end(written.turnId);
    expect(watched.types).not.toContain('agent.audio');
    const aloud = await ada.turns.send.mutate({ conversationId, parts, speak: { voice: 'nova' } });
    await watched.end(aloud.turnId);
    expect(watched.all('agent.audio', aloud.turnId).length).toBeGreaterThan(0);
    expect(service.spoken('in writing').map(({ fields }) => fields.voice)).toEqual(expect.arrayContaining(['nova']));
    expect((await watched.first('turn.metrics', aloud.turnId)).sttMs).toBeUndefined();
  });

  it('with the same id is the same turn, with other bytes a conflict', async () => {
    const { conversationId, watched } = await begin();
    const turnId = newId();
    const send = (number: number) => ada.voice.sendMessage.mutate({ conversationId, turnId, ...spoken(number) });
    const sent = await Promise.all([send(3), send(3), send(3)]);
    expect(sent.map(({ duplicate }) => duplicate).toSorted()).toEqual([false, true, true]);
    expect(new Set(sent.map(({ userMessageId }) => userMessageId)).size).toBe(1);
    await watched.end(turnId);
    const asked = service.heard(3).length;
    expect(await send(3)).toMatchObject({ turnId, duplicate: true, voiceSessionId: sent[0]?.voiceSessionId });
    // It is known by its bytes, not by what would be understood of them now.
    expect(service.heard(3)).toHaveLength(asked);
    expect(await reasonOf(send(4))).toBe('IDEMPOTENCY_CONFLICT');
    const aloud = ada.voice.sendMessage.mutate({ conversationId, turnId, ...spoken(3), speak: { voice: 'other' } });
    expect(await reasonOf(aloud)).toBe('IDEMPOTENCY_CONFLICT');
    const { id } = await ada.conversations.create.mutate({});
    const elsewhere = ada.voice.sendMessage.mutate({ conversationId: id, turnId, ...spoken(3) });
    expect(await reasonOf(elsewhere)).toBe('IDEMPOTENCY_CONFLICT');
    expect(await messages(conversationId)).toHaveLength(2);
  });

  it('is refused, waits or makes way while another turn runs, as is asked', async () => {
    const { conversationId, watched } = await begin();
    app.provider.script(answer('It ', gate()));
    const send = (onBusy?: 'reject' | 'queue' | 'interrupt') =>
      ada.voice.sendMessage.mutate({ conversationId, ...spoken(5), ...(onBusy && { onBusy }) });
    const first = await send();
    await watched.first('agent.delta', first.turnId);
    expect(await failureOf(send())).toMatchObject({ reason: 'TURN_IN_PROGRESS', details: { turnId: first.turnId } });
    const waiting = await send('queue');
    expect(await ada.turns.get.query({ turnId: waiting.turnId })).toMatchObject({ status: 'queued' });
    const urgent = await send('interrupt');
    expect((await watched.end(first.turnId)).type).toBe('turn.interrupted');
    expect((await watched.end(waiting.turnId)).type).toBe('turn.completed');
    expect((await watched.end(urgent.turnId)).type).toBe('turn.completed');
  });

  it.each([
    ['silence', () => base64(silence(1)), 'NO_SPEECH'],
    ['what the service does not understand', () => base64(speech(11)), 'TRANSCRIPTION_FAILED'],
    ['a service that is away', () => base64(speech(12)), 'STT_UNAVAILABLE'],
  ] as const)('of %s is refused, and nothing is stored', async (_, data, reason) => {
    service.hear(11, refusal(400));
    service.hear(12, refusal(503), refusal(503));
    const { conversationId } = await begin();
    const input = { conversationId, turnId: newId(), ...spoken(0), data: data() };
    expect(await reasonOf(ada.voice.sendMessage.mutate(input))).toBe(reason);
    expect(await messages(conversationId)).toEqual([]);
    expect(await reasonOf(ada.turns.get.query({ turnId: input.turnId }))).toBe('NOT_FOUND');
    service.forget();
    if (reason !== 'NO_SPEECH') expect(await ada.voice.sendMessage.mutate(input)).toMatchObject({ duplicate: false });
  });

  it('is refused in a conversation that has ended or is another user’s', async () => {
    const { conversationId } = await begin();
    const eve = await app.trpc('eve');
    expect(await reasonOf(eve.voice.sendMessage.mutate({ conversationId, ...spoken(0) }))).toBe('NOT_FOUND');
    await ada.conversations.end.mutate({ conversationId });
    const late = ada.voice.sendMessage.mutate({ conversationId, ...spoken(0) });
    expect(await reasonOf(late)).toBe('CONVERSATION_ENDED');
  });
});

describe('a service that streams', () => {
  it('is told of while it listens, before the turn begins', async () => {
    const streaming = await startApp({ env: { ...service.env, STT_MODEL: 'gpt-4o-mini-transcribe' }, beside: app });
    try {
      const client = await streaming.trpc('ada');
      const { id: conversationId } = await client.conversations.create.mutate({});
      const watched = watch(client, { conversationId });
      await watched.started;
      const text = (voiceSessionId: string) =>
        watched
          .all('transcript.partial')
          .flatMap((event) => (event.voiceSessionId === voiceSessionId ? event.text : []));

      const [first, second] = [gate(), gate()];
      service.hear(21, streamedTranscript(['We had ', first, 'a garden.']));
      const turnId = newId();
      const sending = client.voice.sendMessage.mutate({ conversationId, turnId, ...spoken(21) });
      await watched.find((event) => event.type === 'transcript.partial' && event.voiceSessionId === turnId);
      expect(text(turnId)).toEqual(['We had']);
      first.release();
      await sending;
      await watched.end(turnId);

      service.hear(22, streamedTranscript(['It was ', second, 'large.']));
      const take = recording(client, conversationId);
      await take.send(0, { sound: speech(23) });
      await watched.find((event) => event.type === 'transcript.partial' && event.text === saying(23));
      const { turnId: next = '' } = await take.send(1, { sound: speech(22), isLast: true });
      await watched.find((event) => event.type === 'transcript.partial' && event.text === `${saying(23)} It was`);
      second.release();
      expect((await watched.first('transcript.final', next)).text).toBe(`${saying(23)} It was large.`);
      const order = watched.seen.map(({ data }) => data);
      const final = order.findIndex((event) => event.type === 'transcript.final' && event.turnId === next);
      expect(order.slice(final).map(({ type }) => type)).not.toContain('transcript.partial');
      await watched.end(next);

      // Guard: what was told of a recording that is refused then is taken back.
      const busy = gate();
      app.provider.script(answer('Wait ', busy, 'for me.'));
      const { turnId: running } = await client.turns.send.mutate({
        conversationId,
        parts: [{ type: 'text', text: 'Go' }],
      });
      const refused = newId();
      service.hear(24, streamedTranscript(['And ', 'you?']));
      const late = client.voice.sendMessage.mutate({ conversationId, turnId: refused, ...spoken(24) });
      expect(await reasonOf(late)).toBe('TURN_IN_PROGRESS');
      expect((await watched.first('recording.cancelled')).voiceSessionId).toBe(refused);
      expect(text(refused).length).toBeGreaterThan(0);
      expect(watched.all('recording.cancelled')).toHaveLength(1);
      busy.release();
      await watched.end(running);
    } finally {
      await streaming.stop();
    }
  });
});

describe('transcribe', () => {
  it('tells what is said and saves nothing', async () => {
    const { db } = app.database;
    const counts = () =>
      Promise.all(
        (['turns', 'messages', 'segments', 'voice_sessions', 'conversations'] as const).map(async (table) => {
          const rows = await db.selectFrom(table).select('tenant_id').execute();
          return rows.length;
        }),
      );
    const before = await counts();
    const said = await ada.voice.transcribe.mutate({ ...spoken(6), language: 'de-CH' });
    expect(said).toEqual({ text: saying(6), durationMs: 300 });
    expect(service.heard(6)[0]?.fields.language).toBe('de');
    expect(await reasonOf(ada.voice.transcribe.mutate({ ...spoken(0), data: base64(silence()) }))).toBe('NO_SPEECH');
    expect(await counts()).toEqual(before);
  });
});
