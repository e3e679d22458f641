import { createPlayer } from '@parley/client/player';
import type { Position } from '@parley/client/player/report';
import { createRecorder } from '@parley/client/recorder';
import { voiceCalls } from '@parley/client/recorder/send';
import { pcmSource } from '@parley/client/recorder/source';
import { newId } from '@parley/shared/id';
import type { Message } from '@parley/shared/message';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { clip } from '../support/clip.ts';
import { parleyOf, until } from '../support/parley.ts';
import { startProxy } from '../support/proxy.ts';
import { type SpeechProvider, startSpeechProvider } from '../support/speech-provider.ts';

// Voice activity is told by a model, which takes its time on a machine that has other things to do.
vi.setConfig({ testTimeout: 120_000 });

let app: App;
let speech: SpeechProvider;
beforeAll(async () => {
  speech = await startSpeechProvider();
  app = await startApp({ env: { STT_BASE_URL: speech.url, TTS_BASE_URL: speech.url } });
});
afterAll(async () => {
  await app?.stop();
  await speech?.close();
});

/** Somebody speaks: the sentence of clip 10 at 16 kHz, again and again. */
function voice(seconds: number): Int16Array {
  const bytes = Buffer.from(clip('format.wav'));
  const at = bytes.indexOf('data') + 8;
  const rate = bytes.readUInt32LE(24);
  const length = Math.floor((bytes.length - at) / 2);
  return Int16Array.from({ length: seconds * 16_000 }, (_, index) => {
    const from = Math.floor((index * rate) / 16_000) % length;
    return bytes.readInt16LE(at + 2 * from);
  });
}

async function messagesOf(conversationId: string): Promise<Message[]> {
  const { items } = await (await parleyOf(app, 'ann')).trpc.conversations.messages.query({ conversationId });
  return items;
}

/** A recording that was acknowledged is still to be transcribed: its turn begins and ends some time later. */
async function completed(turnId: string): Promise<void> {
  const { trpc } = await parleyOf(app, 'ann');
  await vi.waitFor(async () => expect((await trpc.turns.get.query({ turnId })).status).toBe('completed'), {
    timeout: 90_000,
    interval: 50,
  });
}

test.each(['binary', 'websocket', 'http'] as const)(
  'over %s everything arrives exactly once, however often the connection is cut',
  async (transport) => {
    const proxy = await startProxy(app.url);
    try {
      const parley = await parleyOf(app, 'ann', { url: proxy.url, transport });
      const conversation = await parley.conversations.create();
      const source = pcmSource({ sampleRate: 16_000 });
      let acknowledged = 0;
      let retried = 0;
      const recorder = createRecorder({
        conversationId: conversation.id,
        source,
        voice: voiceCalls(parley),
        segmentMs: 1_000,
        onEvent: (event) => {
          if (event.type === 'retrying') retried++;
          // Its neighbours are on their way just now.
          if (event.type === 'acknowledged' && ++acknowledged % 2 === 1) proxy.cut();
        },
      });
      await recorder.start();
      const sound = voice(8);
      proxy.resetAfter('up', 40_000);
      for (let at = 0; at < sound.length; at += 1_600) source.push(sound.subarray(at, at + 1_600));
      const { turnId, voiceSessionId } = await recorder.stop();
      expect(retried).toBeGreaterThan(0);
      expect(recorder.state).toEqual({ state: 'done', turnId, voiceSessionId });
      await completed(turnId);
      const [human, agent, ...rest] = await messagesOf(conversation.id);
      expect(rest).toEqual([]);
      expect(agent).toMatchObject({ role: 'agent', turnId });
      const segments = human?.segmentIds?.length ?? 0;
      expect(segments).toBeGreaterThanOrEqual(8);
      expect(human).toMatchObject({ role: 'human', kind: 'audio', turnId, voiceSessionId, durationMs: 8_000 });
      expect(human?.parts).toEqual([{ type: 'text', text: Array(segments).fill('You said it.').join(' ') }]);
    } finally {
      await proxy.close();
    }
  },
);

test('what was recorded while the server was away is sent when it is back', async () => {
  const proxy = await startProxy(app.url);
  try {
    const parley = await parleyOf(app, 'ann', { url: proxy.url });
    const conversation = await parley.conversations.create();
    const source = pcmSource({ sampleRate: 16_000 });
    const { promise: offline, resolve: isOffline } = Promise.withResolvers<void>();
    const recorder = createRecorder({
      conversationId: conversation.id,
      source,
      voice: voiceCalls(parley),
      onEvent: ({ type }) => type === 'retrying' && isOffline(),
    });
    proxy.refuses = true;
    proxy.cut();
    await recorder.start();
    source.push(voice(6));
    const stopped = recorder.stop();
    await offline;
    proxy.refuses = false;
    recorder.queue.wake();
    const { turnId } = await stopped;
    await completed(turnId);
    expect((await messagesOf(conversation.id))[0]).toMatchObject({ turnId, durationMs: 6_000 });
  } finally {
    await proxy.close();
  }
});

test('what can never be taken is told: a conversation that is not there, one that has ended', async () => {
  const parley = await parleyOf(app, 'ann');
  const { id } = await parley.conversations.create();
  await parley.trpc.conversations.end.mutate({ conversationId: id });
  for (const [conversationId, reason] of [
    [newId(), 'NOT_FOUND'],
    [id, 'CONVERSATION_ENDED'],
  ] as const) {
    const source = pcmSource({ sampleRate: 16_000 });
    const recorder = createRecorder({ conversationId, source, voice: voiceCalls(parley) });
    await recorder.start();
    source.push(voice(1));
    await expect(recorder.stop()).rejects.toMatchObject({ reason });
    expect(recorder.state).toMatchObject({ state: 'failed', failure: { reason } });
  }
});

test('who stops listening is told to have heard so much and no more', async () => {
  const parley = await parleyOf(app, 'ann');
  const conversation = await parley.conversations.create();
  // A clock of its own: what is played is what the test lets be played.
  let now = 0;
  const reports: Position[] = [];
  const player = createPlayer({
    output: { now: () => now, play: () => {}, stop: () => {} },
    leadMs: 0,
    report: async (heard, signal) => {
      reports.push(heard);
      await parley.trpc.turns.reportPlayback.mutate(heard, { signal });
    },
  });
  const turn = conversation.send('hello', { speak: true });
  const events = await until(turn, (event) => {
    void player.push(event);
    return event.type === 'agent.audio' && event.last;
  });
  const sound = events.flatMap((event) => (event.type === 'agent.audio' ? [event.data.length] : []));
  const wholeMs = sound.reduce((sum, bytes) => sum + bytes / 2, 0) / 24;
  now = wholeMs / 2;
  const heard = player.stop();
  expect(heard).toEqual({ turnId: turn.id, sentence: 0, playedMs: expect.closeTo(wholeMs / 2, 6) });
  await turn.done;
  await turn.interrupt(heard);
  const [, agent] = await messagesOf(conversation.id);
  expect(agent?.status).toBe('interrupted');
  const text = agent?.parts.map((part) => (part.type === 'text' ? part.text : '')).join('') ?? '';
  expect(text.length).toBeGreaterThan(0);
  expect(`${text}${agent?.unheard}`).toBe('You said: hello. 1 2 3');
  expect('You said: hello.'.startsWith(text)).toBe(true);
  expect(reports.at(-1)).toEqual(heard);
  player.close();
});
