import { setTimeout as pause } from 'node:timers/promises';
import { newId } from '@parley/shared/id';
import { textOf } from '@parley/shared/message';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { answer, gate, refusal, type Script } from '../support/provider.ts';
import { pcm, tone } from '../support/speech-provider.ts';
import type { SocketClient } from '../support/stock.ts';
import { spokenMs, startVoiceService, type VoiceService } from '../support/voice.ts';
import { type Watch, watch } from '../support/watch.ts';

let service: VoiceService;
let app: App;
let other: App;
let ada: SocketClient;

beforeAll(async () => {
  service = await startVoiceService();
  app = await startApp({ env: service.env, redis: true });
  other = await startApp({ env: service.env, redis: true, beside: app });
  ada = await app.trpc('ada');
});
afterAll(async () => {
  await other.stop();
  await app.stop();
  await service.close();
});

const sentences = ['One is here. ', 'Two is there. ', 'Three is done. ', 'Four ends it.'];

/** Asks for an answer aloud, of these pieces. */
async function ask(...pieces: Parameters<typeof answer>) {
  const { id: conversationId } = await ada.conversations.create.mutate({});
  const watched = watch(ada, { conversationId });
  await watched.started;
  app.provider.script(answer(...pieces));
  const parts = [{ type: 'text' as const, text: 'tell me' }];
  const { turnId } = await ada.turns.send.mutate({ conversationId, parts, speak: true });
  return { conversationId, watched, turnId };
}

async function answered(conversationId: string) {
  const { items } = await ada.conversations.messages.query({ conversationId });
  return items.find(({ role }) => role === 'agent');
}

/** Sentences in order, each with its text before its sound, its chunks numbered without a hole and one last. */
function expectOrder(watched: Watch): void {
  const audible = watched.seen.map(({ data }) => data).filter((event) => 'sentence' in event);
  const texts = audible.filter(({ type }) => type === 'agent.text').map(({ sentence }) => sentence);
  expect(texts).toEqual(texts.map((_, index) => index));
  const sounds = audible.filter(({ type }) => type !== 'agent.text').map(({ sentence }) => sentence);
  expect(sounds).toEqual(sounds.toSorted((a, b) => a - b));
  for (const sentence of new Set(sounds)) {
    const own = audible.filter((event) => event.sentence === sentence);
    expect(own[0]?.type).toBe('agent.text');
    const chunks = watched.all('agent.audio').filter((event) => event.sentence === sentence);
    expect(chunks.map(({ chunk }) => chunk)).toEqual(chunks.map((_, index) => index));
    expect(chunks.map(({ last }) => last)).toEqual(chunks.map((_, index) => index === chunks.length - 1));
  }
}

const bytesOf = (watched: Watch, sentence: number): number =>
  watched
    .all('agent.audio')
    .filter((event) => event.sentence === sentence)
    // Stock superjson leaves the project's bytes as they are on JSON: base64.
    .reduce((sum, { data }) => sum + Buffer.from(String(data), 'base64').length, 0);

describe('an answer aloud', () => {
  it('is heard before the model has ended, and in order however slowly each sentence is made', async () => {
    const [hold, slow] = [gate(), gate()];
    service.speak('Two', { headers: { 'content-type': 'audio/pcm' }, steps: [slow, tone(0.2)] });
    const { watched, turnId, conversationId } = await ask(...sentences.slice(0, 3), 'Four ', hold, 'ends it.');
    const audio = await watched.first('agent.audio', turnId);
    expect(audio).toMatchObject({ sentence: 0, chunk: 0, format: 'pcm_s16le', sampleRate: 24_000 });
    expect(await ada.turns.get.query({ turnId })).toMatchObject({ status: 'running' });
    // The third is made already while the second still is.
    while (service.spoken('Three').length === 0) await pause(5);
    hold.release();
    slow.release();
    expect((await watched.end(turnId)).type).toBe('turn.completed');
    expectOrder(watched);
    expect(bytesOf(watched, 0)).toBe(spokenMs('One is here.') * 48);
    expect(bytesOf(watched, 1)).toBe(0.2 * 48_000);
    const texts = watched.all('agent.text', turnId).map(({ text }) => text);
    expect(texts.join('')).toBe(sentences.join(''));
    expect(textOf((await answered(conversationId))?.parts ?? [])).toBe(sentences.join(''));
  });

  const html: Script = { headers: { 'content-type': 'text/html' }, steps: ['<html>busy</html>'] };
  it.each<[string, Script, number]>([
    ['refuses', refusal(500), 0],
    ['answers with a page', html, 0],
    ['answers with text as sound', pcm('this is an error message and no sound at all, of letters only'), 0],
    ['answers with another format', pcm(Buffer.concat([Buffer.from('ID3'), Buffer.alloc(500)])), 0],
    ['answers with nothing', pcm(), 0],
    ['breaks off', pcm(tone(0.1), { pauseMs: 30 }, 'reset'), 0.1 * 48_000],
  ])('goes on when the service %s for one sentence', async (_, script, bytes) => {
    service.forget();
    service.speak('Two', script, script);
    const { watched, turnId, conversationId } = await ask(...sentences);
    expect((await watched.end(turnId)).type).toBe('turn.completed');
    const failures = watched.all('agent.audioFailed', turnId);
    expect(failures).toMatchObject([{ sentence: 1, reason: 'TTS_UNAVAILABLE' }]);
    expectOrder(watched);
    for (const [sentence, text] of sentences.entries())
      expect(bytesOf(watched, sentence), text).toBe(sentence === 1 ? bytes : spokenMs(text) * 48);
    expect(await answered(conversationId)).toMatchObject({ status: 'complete' });
    expect(textOf((await answered(conversationId))?.parts ?? [])).toBe(sentences.join(''));
  });

  it('leaves out what is only for the eye', async () => {
    const { watched, turnId } = await ask(
      'Look here.\n\n',
      '```js\nlet secret = 1;\n```\n',
      'See **that**? ',
      'https://a.example',
    );
    await watched.end(turnId);
    expectOrder(watched);
    expect(service.spoken('secret')).toEqual([]);
    expect(service.spoken('example')).toEqual([]);
    expect(service.spoken('See that?')).toHaveLength(1);
  });
});

describe('stopSpeaking', () => {
  it.each(['the same replica', 'another replica'])(
    'on %s stops the speech and leaves the text going',
    async (where) => {
      const hold = gate();
      const { watched, turnId, conversationId } = await ask(...sentences.slice(0, 2), hold, ...sentences.slice(2));
      await watched.first('agent.audio', turnId);
      const client = where === 'another replica' ? await other.trpc('ada') : ada;
      expect(await client.turns.stopSpeaking.mutate({ conversationId })).toEqual({ stopped: true });
      await watched.first('speech.stop', turnId);
      hold.release();
      expect((await watched.end(turnId)).type).toBe('turn.completed');
      expect(watched.types.lastIndexOf('agent.audio')).toBeLessThan(watched.types.indexOf('speech.stop'));
      expect(watched.all('speech.stop')).toHaveLength(1);
      expect(watched.all('agent.text', turnId).map(({ text }) => text)).toEqual(sentences);
      const message = await answered(conversationId);
      expect(message).toMatchObject({ status: 'complete' });
      expect(textOf(message?.parts ?? [])).toBe(sentences.join(''));
      expect(await ada.turns.stopSpeaking.mutate({ conversationId })).toEqual({ stopped: false });
    },
  );

  it('before the first word keeps all of the answer silent', async () => {
    const hold = gate();
    const { watched, turnId, conversationId } = await ask(hold, ...sentences);
    await watched.first('turn.started');
    await ada.turns.stopSpeaking.mutate({ conversationId });
    hold.release();
    await watched.end(turnId);
    expect(watched.types).not.toContain('agent.audio');
    expect(watched.all('agent.text', turnId)).toHaveLength(sentences.length);
  });

  it('before it is known whether the answer is spoken keeps it silent', async () => {
    const assistantId = newId();
    const assistant = { id: assistantId, tenant_id: 'acme', name: 'Slow', system_prompt: 'Be slow.' };
    await app.database.db.insertInto('assistants').values(assistant).execute();
    const { id: conversationId } = await ada.conversations.create.mutate({ assistantId });
    const watched = watch(ada, { conversationId });
    await watched.started;
    app.provider.script(answer(...sentences));
    // The turn has begun and waits for its assistant.
    const { turnId } = await app.database.db.transaction().execute(async (trx) => {
      await sql`lock table assistants in access exclusive mode`.execute(trx);
      const parts = [{ type: 'text' as const, text: 'tell me' }];
      const sent = await ada.turns.send.mutate({ conversationId, parts, speak: true });
      await watched.first('turn.started');
      await ada.turns.stopSpeaking.mutate({ conversationId });
      return sent;
    });
    await watched.end(turnId);
    expect(watched.types).not.toContain('agent.audio');
    expect(watched.all('agent.text', turnId)).toHaveLength(sentences.length);
  });

  it('is for whoever owns the conversation', async () => {
    const { conversationId, watched, turnId } = await ask('Short.');
    const eve = await app.trpc('eve');
    await expect(eve.turns.stopSpeaking.mutate({ conversationId })).rejects.toMatchObject({
      data: { reason: 'NOT_FOUND' },
    });
    await watched.end(turnId);
  });
});
