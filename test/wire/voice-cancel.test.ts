import { closeAbandoned } from '@parley/server/voice/abandoned';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { type Gate, gate, refusal } from '../support/provider.ts';
import { type Recording, recording } from '../support/recording.ts';
import { failureOf, type SocketClient } from '../support/stock.ts';
import { saying, speech, startVoiceService, type VoiceService } from '../support/voice.ts';
import { type Watch, watch } from '../support/watch.ts';

// Whoever speaks may think better of it: nothing that was said is kept, shown or answered.
//
// Guards: the session that says it is cancelled, looked at before a segment is taken; its segments, which go; a turn that has
// begun, which goes on.

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

async function begin(): Promise<{ watched: Watch; take: Recording; conversationId: string }> {
  const { id: conversationId } = await ada.conversations.create.mutate({});
  const watched = watch(ada, { conversationId });
  await watched.started;
  return { watched, conversationId, take: recording(ada, conversationId) };
}

const cancel = ({ conversationId, voiceSessionId }: Recording) =>
  ada.voice.cancelRecording.mutate({ conversationId, voiceSessionId });
const refused = { reason: 'PROTOCOL_ORDER', retryable: false, details: { cancelled: true } };

/** What of a recording is stored beside that there was one. */
async function stored({ conversationId }: Recording): Promise<{ segments: number; sounds: number; turns: number }> {
  const { db } = app.database;
  const of = (table: 'segments' | 'turns') =>
    db.selectFrom(table).select('id').where('conversation_id', '=', conversationId).execute();
  const sounds = db
    .selectFrom('segment_audio')
    .innerJoin('segments', 'segments.id', 'segment_audio.segment_id')
    .select('segments.id')
    .where('segments.conversation_id', '=', conversationId)
    .execute();
  return {
    segments: (await of('segments')).length,
    sounds: (await sounds).length,
    turns: (await of('turns')).length,
  };
}

/** Of another recording: all that could still be told of the one before has been. */
async function speakAfter({ conversationId }: Recording, watched: Watch): Promise<void> {
  const { turnId = '' } = await recording(ada, conversationId).send(7, { isLast: false });
  expect(turnId).not.toBe('');
  await watched.find((event) => event.type === 'transcript.partial' && event.text === saying(7));
}

describe('a recording that is cancelled', () => {
  it('becomes nothing: what is stored of it goes, what comes of it is refused, its subscribers are told', async () => {
    const { watched, take } = await begin();
    await take.send(0);
    await take.send(1);
    await watched.find((event) => event.type === 'transcript.partial' && event.text === `${saying(0)} ${saying(1)}`);
    expect(await stored(take)).toEqual({ segments: 2, sounds: 2, turns: 0 });
    expect(await cancel(take)).toEqual({ cancelled: true });
    const { voiceSessionId } = await watched.first('recording.cancelled');
    expect(voiceSessionId).toBe(take.voiceSessionId);
    expect(await stored(take)).toEqual({ segments: 0, sounds: 0, turns: 0 });
    // The last one may have been on its way; a known one may be sent again.
    expect(await failureOf(take.send(2, { isLast: true }))).toMatchObject(refused);
    expect(await failureOf(take.send(0))).toMatchObject(refused);
    expect(await cancel(take)).toEqual({ cancelled: true });
    const at = sql<Date>`clock_timestamp() - interval '2 hours'`;
    await app.database.db.updateTable('voice_sessions').set({ changed_at: at }).execute();
    await closeAbandoned(app.server.running.app.voice.ports, 50);
    expect(await stored(take)).toEqual({ segments: 0, sounds: 0, turns: 0 });
    expect(watched.types).not.toContain('turn.failed');
  });

  it('before anything of it has come is refused when it comes', async () => {
    const { take, conversationId } = await begin();
    await ada.voice.recordingStarted.mutate({ conversationId, voiceSessionId: take.voiceSessionId });
    await cancel(take);
    expect(await failureOf(take.send(0, { isLast: true }))).toMatchObject(refused);
    const { take: unheard } = await begin();
    await cancel(unheard);
    expect(await failureOf(unheard.send(0, { isLast: true }))).toMatchObject(refused);
  });

  it('while it is being transcribed is not told of afterwards', async () => {
    const { watched, take } = await begin();
    const [asked, hold] = [Promise.withResolvers<void>(), gate()];
    const step: Gate = {
      get released() {
        asked.resolve();
        return hold.released;
      },
      release: hold.release,
    };
    const headers = { 'content-type': 'application/json' };
    service.hear(51, { headers, steps: [step, JSON.stringify({ text: saying(51) })] });
    await take.send(0, { sound: speech(51), isLast: true });
    await asked.promise;
    expect(await cancel(take)).toEqual({ cancelled: true });
    await watched.first('recording.cancelled');
    hold.release();
    expect(await service.heard(51)[0]?.ended).toBe('complete');
    await speakAfter(take, watched);
    expect(watched.all('transcript.partial').map(({ voiceSessionId }) => voiceSessionId)).not.toContain(
      take.voiceSessionId,
    );
    expect(watched.types).not.toContain('turn.started');
  });

  it('after it had failed cannot be sent again', async () => {
    const { watched, take } = await begin();
    service.hear(52, refusal(500), refusal(500));
    const { turnId = '' } = await take.send(0, { sound: speech(52), isLast: true });
    const failed = await watched.end(turnId);
    // By which a screen knows what to forget, and a client what to send again.
    expect(failed).toMatchObject({ code: 'TRANSCRIPTION_FAILED', voiceSessionId: take.voiceSessionId });
    expect(await cancel(take)).toEqual({ cancelled: true });
    expect(await failureOf(take.send(0, { sound: speech(52), isLast: true }))).toMatchObject(refused);
  });
});

it('a recording whose turn has begun is not cancelled any more', async () => {
  const { watched, take } = await begin();
  const { turnId = '' } = await take.send(0, { isLast: true });
  await watched.first('turn.started', turnId);
  expect(await cancel(take)).toEqual({ cancelled: false, turnId });
  expect((await watched.end(turnId)).type).toBe('turn.completed');
  expect(watched.types).not.toContain('recording.cancelled');
  expect(await stored(take)).toMatchObject({ segments: 1, turns: 1 });
});
