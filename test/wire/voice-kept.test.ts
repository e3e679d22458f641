import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type FileApp, fetchFile, startFileApp } from '../support/attachment.ts';
import { answer } from '../support/provider.ts';
import { base64 } from '../support/recording.ts';
import { sampleRate, speech, startVoiceService, type VoiceService } from '../support/voice.ts';
import { watch } from '../support/watch.ts';

let service: VoiceService;
let app: FileApp;
beforeAll(async () => {
  service = await startVoiceService();
  app = await startFileApp({ env: service.env });
});
afterAll(async () => {
  await app.stop();
  await service.close();
});

const wavHeader = 44;

it('a spoken answer that is to be kept is a sound file of its own message, and goes with the conversation', async () => {
  const ada = await app.trpc('ada');
  const { id: conversationId } = await ada.conversations.create.mutate({});
  const watched = watch(ada, { conversationId });
  await watched.started;
  app.provider.script(answer('First this. ', 'Then that.'));
  const said = { conversationId, voiceSessionId: 'kept', format: 'pcm_s16le' as const, sampleRate };
  // The last segment says how it is answered, also when it comes before the others.
  const last = { index: 1, isLast: true, data: base64(speech(2)), speak: { keep: true } };
  await ada.voice.sendSegment.mutate({ ...said, ...last });
  const { turnId = '' } = await ada.voice.sendSegment.mutate({ ...said, index: 0, data: base64(speech(1)) });
  await watched.end(turnId);

  const { items } = await ada.conversations.messages.query({ conversationId });
  const agent = items.find(({ role }) => role === 'agent');
  const id = agent?.speechAttachmentId ?? '';
  const attachment = await ada.attachments.get.query({ id });
  expect(attachment).toMatchObject({ kind: 'audio', mediaType: 'audio/wav' });
  const file = await fetchFile(app, attachment.url);
  expect(file.status).toBe(200);
  const sent = watched.all('agent.audio', turnId).map(({ data }) => Buffer.from(String(data), 'base64'));
  const kept = Buffer.from(await file.arrayBuffer());
  expect(kept.toString('latin1', 0, 4)).toBe('RIFF');
  // What was sent, sample by sample.
  expect(kept.subarray(wavHeader).equals(Buffer.concat(sent))).toBe(true);

  // From the segment that was spoken to the sound that answered it, by ids alone.
  const [human] = items;
  const linked = await sql<{ answer: string; sound: string }>`
    select answer.id as answer, answer.speech_attachment_id as sound from segments
    join messages answer on answer.id = segments.agent_message_id
    where segments.id = any(${human?.segmentIds})`.execute(app.database.db);
  expect(linked.rows).toEqual([0, 1].map(() => ({ answer: agent?.id, sound: id })));

  await ada.conversations.delete.mutate({ conversationId });
  await expect.poll(async () => (await fetchFile(app, attachment.url)).status, { timeout: 10_000 }).toBe(404);
  await expect.poll(() => app.stored(), { timeout: 10_000 }).toEqual([]);
});

it('a recording whose last segment wants no sound is answered in text', async () => {
  const ada = await app.trpc('ada');
  const { id: conversationId } = await ada.conversations.create.mutate({});
  const watched = watch(ada, { conversationId });
  await watched.started;
  const said = { conversationId, voiceSessionId: 'silent', format: 'pcm_s16le' as const, sampleRate };
  const only = { index: 0, isLast: true, data: base64(speech(3)), speak: false };
  const { turnId = '' } = await ada.voice.sendSegment.mutate({ ...said, ...only });
  expect((await watched.end(turnId)).type).toBe('turn.completed');
  expect(watched.all('agent.audio', turnId)).toEqual([]);
});

it('one that is not to be kept leaves no file', async () => {
  const ada = await app.trpc('ada');
  const { id: conversationId } = await ada.conversations.create.mutate({});
  const { turn } = await ada.turns.ask.mutate({ conversationId, parts: [{ type: 'text', text: 'hi' }], speak: true });
  expect(turn.status).toBe('completed');
  const { items } = await ada.conversations.messages.query({ conversationId });
  expect(items.map((message) => message.speechAttachmentId)).toEqual([undefined, undefined]);
});
