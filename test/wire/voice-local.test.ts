import { newId } from '@parley/shared/id';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { clip, clips, wordErrors } from '../support/clip.ts';
import { base64 } from '../support/recording.ts';
import { reasonOf, type SocketClient } from '../support/stock.ts';
import { watch } from '../support/watch.ts';

// The whole path with the models that Parley brings along: what one gets on a bare machine.

let app: App;
let ada: SocketClient;

beforeAll(async () => {
  const local = { STT_PROVIDER: 'local', TTS_PROVIDER: 'local' };
  app = await startApp({ env: local, model: 'local' });
  ada = await app.trpc('ada');
});
afterAll(() => app.stop());

describe('the local models', () => {
  it('hear nine of ten words of ten sentences, and answer aloud', { timeout: 60_000 }, async () => {
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const watched = watch(ada, { conversationId });
    await watched.started;
    const voiceSessionId = newId();
    const send = (index: number) => {
      const data = base64(clip(clips[index]?.file ?? ''));
      const isLast = index === clips.length - 1;
      return ada.voice.sendSegment.mutate({ conversationId, voiceSessionId, index, isLast, format: 'ogg', data });
    };
    const order = clips.map((_, index) => (index * 7) % clips.length);
    const receipts = await Promise.all(order.map(send));
    const turnId = receipts[0]?.turnId ?? '';
    const { text, durationMs } = await watched.first('transcript.final', turnId);
    expect(durationMs).toBeGreaterThan(25_000);
    const { words, errors } = wordErrors(clips.map((each) => each.text).join(' '), text);
    expect(errors / words, text).toBeLessThanOrEqual(0.1);
    expect((await watched.end(turnId)).type).toBe('turn.completed');
    const audio = watched.all('agent.audio', turnId);
    expect(audio.filter(({ last }) => last).map(({ sentence }) => sentence)).toEqual(
      watched.all('agent.text', turnId).map(({ sentence }) => sentence),
    );
    expect(watched.types).not.toContain('agent.audioFailed');
  });

  it.each([
    ['silence', 'silence.flac', 'flac'],
    ['noise', 'noise.ogg', 'ogg'],
  ] as const)('hear no speech in %s', async (_, file, format) => {
    expect(await reasonOf(ada.voice.transcribe.mutate({ format, data: base64(clip(file)) }))).toBe('NO_SPEECH');
  });

  it.each(['wav', 'm4a', 'webm', 'mp3', 'aac', 'flac'] as const)('hear the same in %s', async (format) => {
    const { text } = await ada.voice.transcribe.mutate({ format, data: base64(clip(`format.${format}`)) });
    const { words, errors } = wordErrors(clips[9]?.text ?? '', text);
    expect(errors / words, text).toBeLessThanOrEqual(0.2);
  });
});
