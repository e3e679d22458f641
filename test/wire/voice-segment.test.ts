import type { Event } from '@parley/shared/event';
import { textOf } from '@parley/shared/message';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { clip } from '../support/clip.ts';
import { answer, gate, refusal } from '../support/provider.ts';
import { base64, type Recording, recording } from '../support/recording.ts';
import { failureOf, openSocket, reasonOf, type SocketClient } from '../support/stock.ts';
import { sampleRate, saying, silence, speech, startVoiceService, type VoiceService } from '../support/voice.ts';
import { type Watch, watch } from '../support/watch.ts';

// Speech here is told apart by its loudness: what segment n says is known, whatever order the service is asked in.

let service: VoiceService;
let app: App;
let other: App;
let ada: SocketClient;

beforeAll(async () => {
  service = await startVoiceService();
  const env = { ...service.env, VOICE_MISSING_MS: '2500', VOICE_LISTENING_MS: '300' };
  app = await startApp({ env, redis: true });
  other = await startApp({ env, redis: true, beside: app });
  ada = await app.trpc('ada');
});
afterAll(async () => {
  await other.stop();
  await app.stop();
  await service.close();
});

async function begin(): Promise<{ watched: Watch; take: Recording; conversationId: string }> {
  const { id: conversationId } = await ada.conversations.create.mutate({});
  const watched = watch(ada, { conversationId });
  await watched.started;
  return { watched, conversationId, take: recording(ada, conversationId) };
}

const said = (...numbers: number[]): string => numbers.map(saying).join(' ');
const ofTurn = (watched: Watch, turnId: string): Event[] =>
  watched.seen.map(({ data }) => data).filter((event) => 'turnId' in event && event.turnId === turnId);

async function humanMessage(conversationId: string) {
  const { items } = await ada.conversations.messages.query({ conversationId });
  const found = items.filter(({ role }) => role === 'human');
  expect(found).toHaveLength(1);
  return found[0];
}

describe('segments', () => {
  it('become one message and one turn, which is told of in order and answered aloud', async () => {
    const { watched, take, conversationId } = await begin();
    await take.send(0);
    const partial = await watched.first('transcript.partial');
    expect(partial).toMatchObject({
      voiceSessionId: take.voiceSessionId,
      text: said(0),
      durationMs: 300,
      segments: [0],
    });
    await take.send(1);
    const { turnId = '' } = await take.send(2, { isLast: true });
    expect((await watched.end(turnId)).type).toBe('turn.completed');

    const events = ofTurn(watched, turnId);
    expect(events.slice(0, 3).map(({ type }) => type)).toEqual(['turn.started', 'transcript.final', 'message.saved']);
    expect(events[0]).toMatchObject({ input: 'voice', parts: [{ type: 'text', text: said(0, 1, 2) }] });
    const { voiceSessionId } = take;
    expect(events[1]).toMatchObject({ text: said(0, 1, 2), voiceSessionId, durationMs: 900 });
    expect(watched.types.lastIndexOf('transcript.partial')).toBeLessThan(watched.types.indexOf('turn.started'));
    const partials = watched.all('transcript.partial').map(({ segments = [] }) => segments.length);
    expect(partials).toEqual(partials.toSorted((a, b) => a - b));

    const rows = await app.database.db
      .selectFrom('segments')
      .selectAll()
      .where('voice_session_id', '=', voiceSessionId)
      .orderBy('index')
      .execute();
    const message = await humanMessage(conversationId);
    expect(message).toMatchObject({ kind: 'audio', turnId, voiceSessionId, durationMs: 900, status: 'complete' });
    expect(message?.segmentIds).toEqual(rows.map(({ id }) => id));
    const { items } = await ada.conversations.messages.query({ conversationId });
    for (const [index, row] of rows.entries()) {
      expect(row).toMatchObject({ index, turn_id: turnId, text: saying(index), status: 'transcribed' });
      expect([row.user_message_id, row.agent_message_id]).toEqual(items.map(({ id }) => id));
    }
    const audio = watched.all('agent.audio', turnId);
    expect(audio.length).toBeGreaterThan(0);
    expect(audio.filter(({ last }) => last).map(({ sentence }) => sentence)).toEqual(
      watched.all('agent.text', turnId).map(({ sentence }) => sentence),
    );
  });

  it('in any order, twice, over two connections and two replicas give the same message', async () => {
    const { watched, take, conversationId } = await begin();
    const via = await other.trpc('ada');
    const second = openSocket(app.ws, { token: await app.token('ada') });
    expect(await take.send(3, { isLast: true, via })).toMatchObject({ status: 'accepted', missing: [0, 1, 2] });
    expect(await take.send(1)).toMatchObject({ status: 'accepted', missing: [0, 2] });
    expect(await take.send(1, { via })).toMatchObject({ status: 'duplicate', missing: [0, 2] });
    expect(await take.send(0, { via: second.client })).toMatchObject({ status: 'accepted', missing: [2] });
    const both = await Promise.all([take.send(2), take.send(2, { via })]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(['accepted', 'duplicate']);
    const { turnId = '', ...late } = await take.send(3, { isLast: true });
    expect(late).toEqual({ status: 'duplicate', missing: [] });
    await watched.end(turnId);
    await second.close();
    const message = await humanMessage(conversationId);
    expect(textOf(message?.parts ?? [])).toBe(said(0, 1, 2, 3));
    expect(message).toMatchObject({ kind: 'audio', durationMs: 1_200 });
    for (const number of [0, 1, 2, 3]) expect(await take.send(number)).toMatchObject({ status: 'duplicate', turnId });
    expect(watched.all('turn.started')).toHaveLength(1);
  });

  it('are named by clientSegmentId, with a colon or an underscore', async () => {
    const { watched, conversationId } = await begin();
    const data = { conversationId, format: 'pcm_s16le' as const, sampleRate };
    const named = (clientSegmentId: string, number: number, isLast = false) =>
      ada.voice.sendSegment.mutate({ ...data, clientSegmentId, isLast, data: base64(speech(number)) });
    await named(' a:b_0', 0);
    const { turnId = '' } = await named('a:b:1', 1, true);
    await watched.end(turnId);
    expect(await humanMessage(conversationId)).toMatchObject({ voiceSessionId: 'a:b' });
    for (const bad of ['a', 'a:', ':1', '_1', ' :1', 'a:1000', 'a:-1', 'a:1.5', 'a:x'])
      expect(await reasonOf(named(bad, 0)), bad).toBe('INVALID_INPUT');
  });

  it('go on over another connection when the first one breaks off', async () => {
    const { watched, take, conversationId } = await begin();
    const first = openSocket(app.ws, { token: await app.token('ada') });
    await take.send(1, { via: first.client });
    const lost = take.send(0, { via: first.client }).catch(() => undefined);
    await first.close();
    await lost;
    await take.send(0);
    const { turnId = '' } = await take.send(2, { isLast: true });
    await watched.end(turnId);
    expect(textOf((await humanMessage(conversationId))?.parts ?? [])).toBe(said(0, 1, 2));
  });

  it('wait for their turn behind an answer that goes on', async () => {
    const { watched, take, conversationId } = await begin();
    const hold = gate();
    app.provider.script(answer('A', hold, ' word.'));
    const parts = [{ type: 'text' as const, text: 'write' }];
    const running = await ada.turns.send.mutate({ conversationId, parts });
    const { turnId = '' } = await take.send(0, { isLast: true });
    await watched.first('transcript.partial');
    expect(await ada.turns.get.query({ turnId: running.turnId })).toMatchObject({ status: 'running' });
    hold.release();
    await watched.end(running.turnId);
    expect((await watched.end(turnId)).type).toBe('turn.completed');
  });
});

describe('a conflict', () => {
  it('is the same index with other bytes, another last index, and one behind the last', async () => {
    const { take } = await begin();
    await take.send(2);
    const conflict = async (call: Promise<unknown>) => {
      const { reason, details } = await failureOf(call);
      expect(reason).toBe('SEGMENT_CONFLICT');
      return details;
    };
    expect(await conflict(take.send(2, { sound: speech(7) }))).toEqual({ index: 2 });
    // A last one before one that is there, be it new or known.
    await take.send(1);
    await conflict(take.send(0, { isLast: true }));
    await conflict(take.send(1, { isLast: true }));
    await take.send(3, { isLast: true });
    expect(await conflict(take.send(4))).toEqual({ lastIndex: 3 });
    expect(await conflict(take.send(2, { isLast: true }))).toEqual({ lastIndex: 3 });
    expect(await conflict(take.send(4, { isLast: true }))).toEqual({ lastIndex: 3 });
    expect(await take.send(0)).toMatchObject({ status: 'accepted', missing: [] });
    await conflict(take.send(4));
  });

  it('is none between recordings, and one recording knows nothing of another user', async () => {
    const { take, conversationId } = await begin();
    await take.send(0);
    const next = recording(ada, conversationId);
    expect(await next.send(0, { sound: speech(9) })).toMatchObject({ status: 'accepted' });
    const via = await app.trpc('eve');
    expect(await reasonOf(take.send(1, { via }))).toBe('NOT_FOUND');
  });
});

describe('a recording that cannot become a turn', () => {
  it('fails when segments are missing, naming them, and is completed by sending them later', async () => {
    const { watched, take, conversationId } = await begin();
    await take.send(1);
    const { turnId = '' } = await take.send(3, { isLast: true });
    const failed = await watched.first('turn.failed');
    expect(failed).toMatchObject({ turnId, code: 'SEGMENTS_MISSING', retryable: true, details: { missing: [0, 2] } });
    expect(await ada.turns.get.query({ turnId })).toMatchObject({ status: 'failed', code: 'SEGMENTS_MISSING' });
    const healed = await take.send(2);
    expect(healed).toMatchObject({ status: 'accepted', missing: [0] });
    expect(healed.turnId).not.toBe(turnId);
    expect(await take.send(0)).toMatchObject({ missing: [], turnId: healed.turnId });
    expect((await watched.end(healed.turnId ?? '')).type).toBe('turn.completed');
    expect(textOf((await humanMessage(conversationId))?.parts ?? [])).toBe(said(0, 1, 2, 3));
  });

  it('fails when the service does, and is healed by sending that segment again', async () => {
    const { watched, take, conversationId } = await begin();
    service.hear(21, refusal(500), refusal(500));
    await take.send(0);
    const { turnId = '' } = await take.send(1, { sound: speech(21), isLast: true });
    const failed = await watched.end(turnId);
    expect(failed).toMatchObject({ code: 'TRANSCRIPTION_FAILED', retryable: true, details: { segments: [1] } });
    expect(await take.send(0)).toMatchObject({ status: 'duplicate' });
    const again = await take.send(1, { sound: speech(21) });
    expect(again).toMatchObject({ status: 'accepted', missing: [] });
    await watched.end(again.turnId ?? '');
    expect(textOf((await humanMessage(conversationId))?.parts ?? [])).toBe(said(0, 21));
  });

  it('says that it cannot decode a segment, keeps it, and takes other bytes for it', async () => {
    const { watched, take, conversationId } = await begin();
    const data = base64(clip('format.flac').subarray(0, 20_000));
    const cut = ada.voice.sendSegment.mutate({
      conversationId,
      voiceSessionId: take.voiceSessionId,
      index: 0,
      format: 'flac',
      data,
    });
    expect(await failureOf(cut)).toMatchObject({ reason: 'TRANSCRIPTION_FAILED', details: { index: 0 } });
    const stored = () =>
      app.database.db
        .selectFrom('segments')
        .select(['status'])
        .where('voice_session_id', '=', take.voiceSessionId)
        .execute();
    expect(await stored()).toEqual([{ status: 'failed' }]);
    expect(await take.send(0)).toMatchObject({ status: 'accepted' });
    const { turnId = '' } = await take.send(1, { isLast: true });
    expect((await watched.end(turnId)).type).toBe('turn.completed');
    expect(textOf((await humanMessage(conversationId))?.parts ?? [])).toBe(said(0, 1));
    expect(watched.types).not.toContain('turn.failed');
  });

  it('is NO_SPEECH when nobody speaks in any segment, and no message', async () => {
    const { watched, take, conversationId } = await begin();
    await take.send(0, { sound: silence() });
    const { turnId = '' } = await take.send(1, { sound: silence(0.5), isLast: true });
    const { voiceSessionId } = take;
    expect(await watched.end(turnId)).toMatchObject({ type: 'turn.failed', code: 'NO_SPEECH', voiceSessionId });
    expect(await watched.first('turn.started', turnId)).toMatchObject({ input: 'voice', voiceSessionId });
    const { items } = await ada.conversations.messages.query({ conversationId });
    expect(items).toEqual([]);
    expect(watched.types).not.toContain('transcript.partial');
  });

  it('is complete although one segment is silent', async () => {
    const { watched, take, conversationId } = await begin();
    await take.send(1, { sound: silence() });
    await take.send(0);
    const { turnId = '' } = await take.send(2, { isLast: true });
    await watched.end(turnId);
    expect(await humanMessage(conversationId)).toMatchObject({ durationMs: 900 });
    expect(watched.all('transcript.final')[0]?.text).toBe(said(0, 2));
  });

  // Guard: a recording that may not become a turn any more fails like any other.
  it('whose conversation ends before it is understood fails with that reason', async () => {
    const { watched, take, conversationId } = await begin();
    const hold = gate();
    service.hear(7, { steps: [hold], status: 503 });
    const { turnId = '' } = await take.send(0, { sound: speech(7), isLast: true });
    await expect.poll(() => service.heard(7).length).toBe(1);
    await ada.conversations.end.mutate({ conversationId });
    hold.release();
    const { voiceSessionId } = take;
    expect(await watched.end(turnId)).toMatchObject({
      type: 'turn.failed',
      code: 'CONVERSATION_ENDED',
      voiceSessionId,
    });
    expect(await ada.turns.get.query({ turnId })).toMatchObject({ status: 'failed', code: 'CONVERSATION_ENDED' });
  });

  it('is refused in a conversation that has ended', async () => {
    const { take, conversationId } = await begin();
    await take.send(0);
    await ada.conversations.end.mutate({ conversationId });
    expect(await reasonOf(take.send(1))).toBe('CONVERSATION_ENDED');
    expect(
      await reasonOf(ada.voice.recordingStarted.mutate({ conversationId, voiceSessionId: take.voiceSessionId })),
    ).toBe('CONVERSATION_ENDED');
  });
});

describe('listening', () => {
  const started = ({ conversationId, voiceSessionId }: Recording, client = ada) =>
    client.voice.recordingStarted.mutate({ conversationId, voiceSessionId });

  it('is told once, after a while, however often and wherever a recording is said to have started', async () => {
    const { watched, take } = await begin();
    const elsewhere = await other.trpc('ada');
    const from = performance.now();
    await Promise.all([started(take), started(take), started(take, elsewhere)]);
    const { voiceSessionId, text } = await watched.first('agent.listening');
    expect(performance.now() - from).toBeGreaterThan(290);
    expect([voiceSessionId, text.length > 0]).toEqual([take.voiceSessionId, true]);
    await started(take, elsewhere);
    // A later recording's feedback comes after any that this one could still have.
    const next = recording(ada, take.conversationId);
    await started(next);
    await watched.find((event) => event.type === 'agent.listening' && event.voiceSessionId === next.voiceSessionId);
    expect(watched.all('agent.listening')).toHaveLength(2);
  });

  it('is not told when the last segment has come', async () => {
    const { watched, take } = await begin();
    await started(take);
    const { turnId = '' } = await take.send(0, { isLast: true });
    await watched.end(turnId);
    await started(take);
    const next = recording(ada, take.conversationId);
    await started(next);
    const told = await watched.first('agent.listening');
    expect(told.voiceSessionId).toBe(next.voiceSessionId);
  });
});
