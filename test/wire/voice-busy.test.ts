import { SpeechError } from '@parley/server/speech/port';
import { ThreadError } from '@parley/server/speech/threads';
import type { VoicePorts } from '@parley/server/voice/ports';
import { ParleyError } from '@parley/shared/reason';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { gate } from '../support/provider.ts';
import { type Recording, recording } from '../support/recording.ts';
import { transcript } from '../support/speech-provider.ts';
import { failureOf, reasonOf, type SocketClient } from '../support/stock.ts';
import { saying, speech, startVoiceService, type VoiceService } from '../support/voice.ts';
import { type Watch, watch } from '../support/watch.ts';

// More speech at once than the threads that decode it and look for it can take: what is acknowledged waits for them.

let service: VoiceService;
let app: App;
let ada: SocketClient;
let ports: VoicePorts;

beforeAll(async () => {
  service = await startVoiceService();
  app = await startApp({ env: service.env });
  ada = await app.trpc('ada');
  ports = app.server.running.app.voice.ports;
});
afterEach(() => void vi.restoreAllMocks());
afterAll(async () => {
  await app.stop();
  await service.close();
});

async function begin(): Promise<{ watched: Watch; take: Recording }> {
  const { id: conversationId } = await ada.conversations.create.mutate({});
  const watched = watch(ada, { conversationId });
  await watched.started;
  return { watched, take: recording(ada, conversationId) };
}

const busy = (): ThreadError => new ThreadError('busy', 'too much to do');
/** As a voice activity detection with a full queue refuses, and a decoder. */
const deaf = (): SpeechError => new SpeechError('STT_UNAVAILABLE', { transient: true, cause: busy() });
const full = (): ParleyError => new ParleyError('UNAVAILABLE', { cause: busy() });

async function expectSaid({ watched }: { watched: Watch }, turnId: string | undefined, numbers: number[]) {
  expect(await watched.end(turnId ?? '')).toMatchObject({ type: 'turn.completed' });
  expect(await watched.first('transcript.final', turnId)).toMatchObject({ text: numbers.map(saying).join(' ') });
}

// Guards: speech is looked for ahead of need only in the sounds that are held; what is not taken lets its place go.
it('a burst of segments has speech looked for in each of them once, and in few of them ahead of need', async () => {
  const story = await begin();
  const hold = gate();
  const numbers = Array.from({ length: 20 }, (_, index) => index);
  for (const number of numbers)
    service.hear(number, { ...transcript(saying(number)), steps: [hold, ...transcript(saying(number)).steps] });
  const trim = vi.spyOn(ports, 'trim');
  let turnId: string | undefined;
  for (const index of numbers) ({ turnId } = await story.take.send(index, { isLast: index === numbers.length - 1 }));
  expect(trim.mock.calls.length).toBeLessThanOrEqual(12);
  await expect.poll(() => service.requests.length).toBeGreaterThanOrEqual(4);
  hold.release();
  await expectSaid(story, turnId, numbers);
  expect(trim).toHaveBeenCalledTimes(numbers.length);

  // Segments that are refused hold no place: the next one finds one.
  const held = app.server.running.app.voice.queue.held;
  const places = vi.spyOn(held, 'hold');
  for (let i = 0; i < 13; i++)
    expect(await reasonOf(story.take.send(0, { sound: speech(50 + i) }))).toBe('SEGMENT_CONFLICT');
  const next = await begin();
  await expectSaid(next, (await next.take.send(0, { isLast: true })).turnId, [0]);
  expect(places.mock.results.map(({ value }) => value !== undefined)).toEqual(Array.from({ length: 14 }, () => true));
});

// Guards: threads that are busy are asked again, those that look for speech and those that read a sound again.
it('a segment that finds the threads busy waits for them, and has not failed', async () => {
  const story = await begin();
  const whole = ports.decode;
  const decode = vi.spyOn(ports, 'decode').mockImplementationOnce(whole).mockRejectedValueOnce(full());
  vi.spyOn(ports, 'trim').mockRejectedValueOnce(deaf()).mockRejectedValueOnce(deaf());
  // There is no place for its sound.
  vi.spyOn(app.server.running.app.voice.queue.held, 'hold').mockReturnValueOnce(undefined);
  await story.take.send(0);
  await story.watched.first('transcript.partial');
  expect(decode).toHaveBeenCalledTimes(3);
  vi.mocked(ports.trim).mockRejectedValueOnce(deaf());
  const { turnId } = await story.take.send(1, { isLast: true });
  await expectSaid(story, turnId, [0, 1]);
});

// Guard: what nobody has looked at is not stored as what cannot be understood.
it('a segment that cannot be decoded now is to be sent again, and nothing of it is stored', async () => {
  const story = await begin();
  vi.spyOn(ports, 'decode').mockRejectedValueOnce(full());
  const failure = await failureOf(story.take.send(0, { isLast: true }));
  expect(failure).toMatchObject({ reason: 'UNAVAILABLE', retryable: true });
  const { voiceSessionId } = story.take;
  const stored = app.database.db.selectFrom('segments').select('id').where('voice_session_id', '=', voiceSessionId);
  expect(await stored.execute()).toEqual([]);
  const again = await story.take.send(0, { isLast: true });
  expect(again).toMatchObject({ status: 'accepted', missing: [] });
  await expectSaid(story, again.turnId, [0]);
});
