import { finishSegment } from '@parley/db/repository/segment';
import type { VoicePorts } from '@parley/server/voice/ports';
import { newId } from '@parley/shared/id';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { gate } from '../support/provider.ts';
import { base64, recording } from '../support/recording.ts';
import { reasonOf, type SocketClient } from '../support/stock.ts';
import { sampleRate, saying, speech, startVoiceService, type VoiceService } from '../support/voice.ts';
import { watch } from '../support/watch.ts';

// Property 19, of what is said: once a conversation is deleted no service hears any more of it.

let service: VoiceService;
let app: App;
let other: App;
let ada: SocketClient;
let ports: VoicePorts;

beforeAll(async () => {
  service = await startVoiceService();
  app = await startApp({ env: service.env, redis: true });
  other = await startApp({ env: service.env, redis: true, beside: app });
  ada = await app.trpc('ada');
  ports = app.server.running.app.voice.ports;
});
afterEach(() => void vi.restoreAllMocks());
afterAll(async () => {
  await other.stop();
  await app.stop();
  await service.close();
});

const begin = async (): Promise<string> => (await ada.conversations.create.mutate({})).id;
const spoken = (number: number) => ({ format: 'pcm_s16le' as const, sampleRate, data: base64(speech(number)) });
const remove = async (conversationId: string, by: SocketClient = ada): Promise<void> =>
  void (await by.conversations.delete.mutate({ conversationId }));
/** What a replica does that is not told of a deletion: it looks. */
const untold = (): unknown => vi.spyOn(ports.deletions, 'deleted').mockReturnValue();

// Guards: the look at a segment and at its conversation, right before a service hears it.
describe('what waits to be transcribed', () => {
  it('as a segment is heard by nobody after its conversation was deleted', async () => {
    untold();
    const [hold, rest] = [gate(), await begin()];
    const watched = watch(ada, { conversationId: rest });
    await watched.started;
    const others = recording(ada, rest);
    for (const number of [1, 2, 3, 4]) {
      service.hear(number, { steps: [hold], status: 401 });
      await others.send(number);
    }
    await expect.poll(() => service.requests.length).toBe(4);
    const conversationId = await begin();
    await recording(ada, conversationId).send(0, { sound: speech(40) });
    // It is behind the one that was deleted.
    await others.send(5);
    await remove(conversationId);
    hold.release();
    await watched.find((event) => event.type === 'transcript.partial' && event.text === saying(5));
    expect(service.heard(40)).toEqual([]);
  });

  it('as a whole recording is heard by nobody after its conversation was deleted', async () => {
    untold();
    const conversationId = await begin();
    const { trim } = ports;
    vi.spyOn(ports, 'trim').mockImplementationOnce(async (sound, signal) => {
      await remove(conversationId);
      return await trim(sound, signal);
    });
    expect(await reasonOf(ada.voice.sendMessage.mutate({ conversationId, ...spoken(41) }))).toBe(
      'CONVERSATION_DELETED',
    );
    expect(service.heard(41)).toEqual([]);
  });
});

// Guard: replicas tell each other of a deletion.
describe.each(['the same replica', 'another replica'])('deleted on %s', (where) => {
  it('a conversation ends what a service listens to', async () => {
    const by = where === 'another replica' ? await other.trpc('ada') : ada;
    const [segment, whole] = where === 'another replica' ? [42, 43] : [44, 45];
    service.hear(segment, { steps: [gate()] });
    service.hear(whole, { steps: [gate()] });
    const conversationId = await begin();
    await recording(ada, conversationId).send(0, { sound: speech(segment) });
    const sent = reasonOf(ada.voice.sendMessage.mutate({ conversationId, ...spoken(whole) }));
    await expect.poll(() => [...service.heard(segment), ...service.heard(whole)].length).toBe(2);
    await remove(conversationId, by);
    expect(await sent).toBe('CONVERSATION_DELETED');
    for (const number of [segment, whole]) {
      expect(await service.heard(number)[0]?.ended).toBe('aborted');
      expect(service.heard(number)).toHaveLength(1);
    }
  });
});

// Guard: a result is written only while its conversation is there.
it('what a service has understood is not stored once its conversation is deleted', async () => {
  const conversationId = await begin();
  const { db } = app.database;
  service.hear(46, { steps: [gate()] });
  const { voiceSessionId } = recording(ada, conversationId);
  await recording(ada, conversationId, voiceSessionId).send(0, { sound: speech(46) });
  const [row] = await db.selectFrom('segments').select('id').where('voice_session_id', '=', voiceSessionId).execute();
  await db
    .updateTable('conversations')
    .set({ deleted_at: sql`clock_timestamp()` })
    .where('id', '=', conversationId)
    .execute();
  const result = { status: 'transcribed', text: 'too late', durationMs: 300, sttMs: 1 } as const;
  expect(await finishSegment(db, row?.id ?? newId(), result)).toBe(false);
});
