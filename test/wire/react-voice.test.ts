import type { Live } from '@parley/client/conversation/live';
import { viewsOf } from '@parley/client/conversation/views';
import type { AudioOutput } from '@parley/client/player/output';
import { canResend, resend } from '@parley/client/recorder/resend';
import { pcmSource } from '@parley/client/recorder/source';
import { RecorderView } from '@parley/client/recorder/view';
import { openFailures } from '@parley/shared/open-failure';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { parleyOf } from '../support/parley.ts';
import { answer, gate, refusal } from '../support/provider.ts';
import { sampleRate, saying, speech, spokenMs, startVoiceService, type VoiceService } from '../support/voice.ts';

let service: VoiceService;
let app: App;
beforeAll(async () => {
  service = await startVoiceService();
  app = await startApp({ env: service.env });
});
afterAll(async () => {
  await app?.stop();
  await service?.close();
});

const looking: (() => void)[] = [];
afterEach(() => {
  for (const leave of looking.splice(0)) leave();
});

function look(live: Live<unknown>): void {
  looking.push(live.subscribe(() => {}));
}

/** The first value that fits, now or later. */
function when<T>(live: Live<T>, fits: (value: T) => boolean): Promise<T> {
  return new Promise((resolve) => {
    const check = (): void => {
      const value = live.get();
      if (!fits(value)) return;
      queueMicrotask(() => leave());
      resolve(value);
    };
    const leave = live.subscribe(check);
    check();
  });
}

/** An output in real time, until `mostMs` after its first sound; blocked until it is enabled. */
function loudspeaker({ isBlocked = false, mostMs = Number.POSITIVE_INFINITY } = {}) {
  const state = { isBlocked, mostMs, playedMs: 0, stops: 0, firstAt: Number.POSITIVE_INFINITY };
  const output: AudioOutput = {
    get isBlocked() {
      return state.isBlocked;
    },
    async enable() {
      state.isBlocked = false;
    },
    now: () => (state.isBlocked ? 0 : Math.min(performance.now(), state.firstAt + state.mostMs)),
    play: (samples, rate, at) => {
      state.firstAt = Math.min(state.firstAt, at);
      state.playedMs += (samples.length / rate) * 1_000;
    },
    stop: () => {
      state.stops++;
    },
  };
  return { output, state };
}

test('what is recorded is heard, answered and played, on one subscription', async () => {
  const parley = await parleyOf(app, 'ann');
  const { id } = await parley.conversations.create();
  const before = app.server.running.app.feed.size;
  const views = viewsOf(parley);
  const view = views.of(id);
  const { output, state } = loudspeaker({ mostMs: 100 });
  const player = views.player(id, output);
  expect(views.player(id, output)).toBe(player);
  look(view);
  look(player);
  look(player);
  await when(view, ({ status }) => status === 'success');

  const source = pcmSource({ sampleRate });
  const recorder = new RecorderView(parley.conversation(id), { source, queue: parley.segments });
  look(recorder);
  await recorder.start();
  expect(recorder.get().recorder.state).toBe('recording');
  source.push(new Int16Array(speech(90).buffer));
  expect(source.meter.get()).toBeGreaterThan(0);
  const { turnId } = await recorder.stop();
  expect(recorder.get()).toMatchObject({ recorder: { state: 'done', turnId }, pending: 0 });
  expect(source.meter.get()).toBe(0);

  await when(player, (now) => now.state === 'playing' && now.turnId === turnId && now.sentence === 0);
  expect((await when(view, ({ speaking }) => speaking !== null)).speaking).toEqual({ turnId, sentence: 0 });
  expect(app.server.running.app.feed.size).toBe(before + 1);
  const record = await when(view, ({ turns }) => turns.some(({ status }) => status === 'completed'));
  expect(record.turns[0]?.sentences[0]?.text).toContain(saying(90).slice(0, 5));
  expect(record.turns[0]?.latency).toMatchObject({ sttMs: expect.any(Number), firstAudioMs: expect.any(Number) });
  state.mostMs = Number.POSITIVE_INFINITY;
  await when(player, (now) => now.state === 'idle');
  // Once, although two look at the player.
  const sound = record.turns[0]?.sentences.map(({ text }) => spokenMs(text)) ?? [];
  expect(state.playedMs).toBeCloseTo(
    sound.reduce((sum, ms) => sum + ms, 0),
    0,
  );
  await when(view, ({ speaking }) => speaking === null);
});

test('an interruption stops the sound, and tells how far it was heard', async () => {
  const parley = await parleyOf(app, 'ann');
  const { id } = await parley.conversations.create();
  const views = viewsOf(parley);
  const view = views.of(id);
  const { output, state } = loudspeaker({ mostMs: 500 });
  const player = views.player(id, output);
  look(view);
  look(player);
  await when(view, ({ status }) => status === 'success');
  const hold = gate();
  const long = 'This is the first sentence of a rather long story that nobody will hear to its end. ';
  app.provider.script(answer(long, 'And this is the second one, which is not heard. ', hold, 'The end.'));
  const { turnId } = await view.outbox.send('a story', { speak: true });
  await when(player, (now) => now.turnId === turnId);
  const heard = player.heard();
  expect(await view.interrupt()).toBe(true);
  expect(player.get()).toEqual({ state: 'idle' });
  expect(state.stops).toBeGreaterThan(0);
  const ended = await when(view, ({ data }) => data?.messages.length === 2);
  expect(heard).toMatchObject({ turnId, sentence: 0 });
  const [, stored] = ended.data?.messages ?? [];
  expect(stored).toMatchObject({ status: 'interrupted', unheard: expect.stringContaining('second') });
  hold.release();
});

// Guard: only a piece of sound that is taken begins to be played (`#isDropped`).
test('sound that was on its way when somebody stopped leaves the player idle', async () => {
  const parley = await parleyOf(app, 'ann');
  const { id } = await parley.conversations.create();
  const views = viewsOf(parley);
  const view = views.of(id);
  const { output } = loudspeaker();
  const player = views.player(id, output);
  look(view);
  look(player);
  await when(view, ({ status }) => status === 'success');
  const came: number[] = [];
  looking.push(view.onEvent((event) => event.type === 'agent.audio' && came.push(event.sentence)));
  const hold = gate();
  const long = 'This is the first sentence of a rather long story of which somebody hears the beginning. ';
  app.provider.script(answer(long, 'And this is the second one. ', hold, 'What follows now comes too late.'));
  const { turnId } = await view.outbox.send('a story', { speak: true });
  await when(player, (now) => now.turnId === turnId);
  player.stop();
  const before = came.length;
  hold.release();
  await when(view, ({ data }) => data?.messages.length === 2 && data.turn === null);
  expect(came.length).toBeGreaterThan(before);
  expect(player.get()).toEqual({ state: 'idle' });
});

test('sound waits for an output that is blocked', async () => {
  const parley = await parleyOf(app, 'ann');
  const { id } = await parley.conversations.create();
  const views = viewsOf(parley);
  const view = views.of(id);
  const { output, state } = loudspeaker({ isBlocked: true });
  const player = views.player(id, output);
  look(player);
  await when(view, ({ status }) => status === 'success');
  await view.outbox.send('hello', { speak: true });
  await when(player, (now) => now.state === 'blocked');
  expect(view.get().speaking).toBe(null);
  await player.enable();
  expect(state.isBlocked).toBe(false);
  await when(player, (now) => now.sentence !== undefined);
  await when(player, (now) => now.state === 'idle');
});

test('a source that cannot be opened is an error, and the next try may work', async () => {
  const parley = await parleyOf(app, 'ann');
  const { id } = await parley.conversations.create();
  const source = pcmSource({ sampleRate });
  let refuses = true;
  const fails = {
    ...source,
    start: async (...options: Parameters<typeof source.start>) => {
      if (refuses) throw new Error('not allowed');
      await source.start(...options);
    },
  };
  const recorder = new RecorderView(parley.conversation(id), { source: fails, queue: parley.segments });
  look(recorder);
  await expect(recorder.start()).rejects.toThrow('not allowed');
  expect(recorder.get()).toMatchObject({ recorder: { state: 'idle' }, error: { message: 'not allowed' } });
  refuses = false;
  await recorder.start();
  expect(recorder.get()).toMatchObject({ recorder: { state: 'recording' }, error: undefined });
  source.push(new Int16Array(speech(4).buffer));
  // As when its component goes: what was said is sent.
  recorder.leave();
  const { recorder: done } = await when(recorder, (now) => now.recorder.state === 'done');
  expect(done).toMatchObject({ turnId: expect.any(String) });
});

// Guards: the voice session that the failed turn names, and the segments that the queue still holds.
test('a recording that could not be understood is sent again by whoever still has it', async () => {
  const parley = await parleyOf(app, 'ann');
  const { id } = await parley.conversations.create();
  const view = viewsOf(parley).of(id);
  look(view);
  await when(view, ({ status }) => status === 'success');
  service.hear(95, refusal(503), refusal(503));
  const source = pcmSource({ sampleRate });
  const recorder = new RecorderView(parley.conversation(id), { source, queue: parley.segments });
  await recorder.start();
  source.push(new Int16Array(speech(95).buffer));
  const first = await recorder.stop();
  const { data } = await when(view, (state) => state.data?.outcomes.at(-1)?.turnId === first.turnId);
  const outcome = data?.outcomes.at(-1);
  if (outcome?.status !== 'failed') throw new Error('it did not fail');
  expect(outcome).toMatchObject({
    code: 'TRANSCRIPTION_FAILED',
    retryable: true,
    voiceSessionId: first.voiceSessionId,
  });
  // The server has no message that it could try again.
  await expect(parley.conversation(id).retry(first.turnId)).rejects.toMatchObject({ reason: 'PROTOCOL_ORDER' });

  const elsewhere = await parleyOf(app, 'ann');
  expect(canResend(elsewhere.segments, id, outcome)).toBe(false);
  await expect(resend(elsewhere.segments, id, outcome)).rejects.toMatchObject({ reason: 'NOT_FOUND' });
  expect(canResend(parley.segments, id, outcome)).toBe(true);
  const { turnId } = await resend(parley.segments, id, outcome);
  expect(turnId).not.toBe(first.turnId);
  const healed = await when(view, (state) => state.data?.outcomes.at(-1)?.turnId === turnId);
  expect(healed.data?.outcomes.at(-1)?.status).toBe('completed');
  expect(healed.data?.messages[0]?.parts).toEqual([{ type: 'text', text: saying(95) }]);
  expect(healed.data?.transcripts).toEqual([]);
});

// Guard: a failure is compared with the turn that ran on beside it.
test('a recording that fails while another answer comes in is still to be seen after it', async () => {
  const parley = await parleyOf(app, 'ann');
  const { id } = await parley.conversations.create();
  const view = viewsOf(parley).of(id);
  look(view);
  await when(view, ({ status }) => status === 'success');
  const hold = gate();
  app.provider.script(answer('Once upon ', hold, 'a time.'));
  const { turnId: answered } = await view.outbox.send('a story');
  await when(view, ({ data }) => data?.turn?.bubbles[0] === 'Once upon ');
  service.hear(97, refusal(503), refusal(503));
  const source = pcmSource({ sampleRate });
  const recorder = new RecorderView(parley.conversation(id), { source, queue: parley.segments });
  await recorder.start();
  source.push(new Int16Array(speech(97).buffer));
  const { turnId } = await recorder.stop();
  const openOf = ({ data }: ReturnType<typeof view.get>): string[] =>
    data ? openFailures(data).map((failed) => failed.turnId) : [];
  const beside = await when(view, (state) => openOf(state).length > 0);
  expect([beside.data?.turn?.id, openOf(beside)]).toEqual([answered, [turnId]]);
  hold.release();
  const after = await when(view, ({ data }) => data?.turn === null);
  expect([after.data?.outcomes.at(-1)?.turnId, openOf(after)]).toEqual([answered, [turnId]]);
  const [failed] = after.data ? openFailures(after.data) : [];
  if (!failed) throw new Error('nothing is open');
  await resend(parley.segments, id, failed);
  await when(view, (state) => openOf(state).length === 0 && state.data?.messages.length === 4);
});

// Guard: who cancels a recording tells the server, which tells all who look.
test('a recording that is cancelled goes from every screen', async () => {
  const [parley, elsewhere] = [await parleyOf(app, 'ann'), await parleyOf(app, 'ann')];
  const { id } = await parley.conversations.create();
  const views = [parley, elsewhere].map((each) => viewsOf(each).of(id));
  for (const view of views) {
    look(view);
    await when(view, ({ status }) => status === 'success');
  }
  const source = pcmSource({ sampleRate });
  const options = { source, queue: parley.segments, segmentMs: 500 };
  const recorder = new RecorderView(parley.conversation(id), options);
  look(recorder);
  await recorder.start();
  for (let i = 0; i < 3; i++) source.push(new Int16Array(speech(96).buffer));
  for (const view of views) await when(view, ({ data }) => data?.transcripts.length === 1);
  await recorder.cancel();
  expect(recorder.get()).toMatchObject({ recorder: { state: 'idle' }, pending: 0 });
  for (const view of views) await when(view, ({ data }) => data?.transcripts.length === 0);
  expect(views[0]?.get().data).toMatchObject({ outcomes: [], messages: [], listening: null });
});
